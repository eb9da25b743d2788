// Sessions that outlive their connection: what they keep, and what was on its way.
import { ALL, ONLY_5, SINCE_3_1_1, V5, check, expect, expectEqual, pauseUntil, waitUntil } from './cases.mjs'
import { connected } from './client.mjs'
import { Proxy } from './proxy.mjs'

const numbers = (count, word = '') => Array.from({ length: count }, (_, n) => `${word}${n}`)

// [v3 MQTT-3.2.2-1] [v3 MQTT-3.2.2-2] [v3 MQTT-3.2.2-3]
// [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-6] [v5 MQTT-3.2.2-2] [v5 MQTT-3.2.2-3]
check('session_present_tells_whether_there_is_a_session', SINCE_3_1_1, async (trial) => {
  const client = await connected(trial, { clean: false })
  expectEqual(client.connack.sessionPresent, false, 'Session Present at first')
  await client.cut()
  await client.connect()
  expectEqual(client.connack.sessionPresent, true, 'Session Present when it resumes')
  await client.cut()
  await client.connect(true)
  expectEqual(client.connack.sessionPresent, false, 'Session Present of a clean start')
})

// [v3 MQTT-3.1.2-4] [v3 MQTT-3.1.2-5] [v3 MQTT-4.5.0-1] [v3 MQTT-4.6.0-6]
// [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-23] [v5 MQTT-4.5.0-1] [v5 MQTT-4.6.0-5]
check('offline_messages_are_kept_in_order', ALL, async (trial) => {
  const topic = trial.topic('t')
  const subscriber = await connected(trial, { clean: false })
  const publisher = await connected(trial)
  await subscriber.subscribe(topic, 2)
  for (const end of ['disconnect', 'cut']) {
    await subscriber[end]()
    for (const payload of numbers(10, 'one ')) await publisher.publish(topic, payload, 1)
    for (const payload of numbers(10, 'two ')) await publisher.publish(topic, payload, 2)
    await subscriber.connect()
    const got = await subscriber.take(20)
    for (const [qos, word] of [[1, 'one '], [2, 'two ']]) {
      const ofQos = got.filter((one) => one.qos === qos).map((one) => one.payload)
      expectEqual(ofQos, numbers(10, word), `kept at QoS ${qos}`)
    }
    await subscriber.expectQuiet()
  }
})

// [v3 MQTT-3.1.2-6] [v5 MQTT-3.1.2-4]
check('a_clean_start_drops_the_old_session', ALL, async (trial) => {
  const topic = trial.topic('t')
  const subscriber = await connected(trial, { clean: false })
  await subscriber.subscribe(topic, 1)
  await subscriber.disconnect()
  const publisher = await connected(trial)
  await publisher.publish(topic, 'for the old session', 1)
  await subscriber.connect(true)
  await publisher.publish(topic, 'nobody subscribes', 1)
  await subscriber.expectQuiet()
})

// [v3 MQTT-3.3.1-1] [v3 MQTT-4.4.0-1] [v3 MQTT-4.6.0-1]
// [v5 MQTT-3.3.1-1] [v5 MQTT-4.4.0-1] [v5 MQTT-4.6.0-1] [v5 MQTT-4.3.2-3]
check('qos_1_in_flight_is_sent_again_when_the_session_resumes', ALL, async (trial) => {
  const topic = trial.topic('t')
  const holding = await connected(trial, { clean: false, holding: true })
  await holding.subscribe(topic, 1)
  const publisher = await connected(trial)
  for (const payload of numbers(5)) await publisher.publish(topic, payload, 1)
  expectEqual((await holding.next()).dup, false, 'DUP at first')
  await holding.cut()
  const again = await connected(trial, { clean: false, clientId: holding.clientId })
  const got = await again.take(5)
  expectEqual(got.map((one) => one.payload), numbers(5), 'sent again')
  expectEqual(got[0].dup, true, 'DUP of what was sent before')
})

// [v3 MQTT-3.3.1-1] [v3 MQTT-4.4.0-1]
// [v5 MQTT-3.3.1-1] [v5 MQTT-4.4.0-1] [v5 MQTT-4.3.3-3]
check('qos_2_in_flight_is_sent_again_and_given_once', ALL, async (trial) => {
  const topic = trial.topic('t')
  const proxy = await Proxy.listen(trial)
  const subscriber = await connected(trial, { clean: false, port: proxy.port })
  await subscriber.subscribe(topic, 2)
  const publisher = await connected(trial)
  proxy.loseFrom('client')
  await publisher.publish(topic, 'once', 2)
  await proxy.untilLost()
  proxy.cut()
  await subscriber.ended()
  await subscriber.connect()
  expectEqual((await subscriber.next()).payload, 'once', 'message')
  await subscriber.expectQuiet()
  const dups = subscriber.received.filter((one) => one.cmd === 'publish').map((one) => one.dup)
  expectEqual(dups, [false, true], 'DUP of each PUBLISH')
})

// [v3 MQTT-3.1.4-2] [v5 MQTT-3.1.4-3]
check('takeover_ends_the_older_connection', ALL, async (trial) => {
  const clientId = trial.clientId()
  const first = await connected(trial, { clientId, clean: false, holding: true })
  await first.subscribe(trial.topic('t'), 1)
  const publisher = await connected(trial)
  for (const payload of numbers(10)) await publisher.publish(trial.topic('t'), payload, 1)
  await first.next()
  const second = await connected(trial, { clientId, clean: false })
  // It reads its DISCONNECT only if no message holds it up, so another connection shows the reason.
  expectEqual(await second.payloads(10), numbers(10), 'no message is lost or changes its place')
  const third = await connected(trial, { clientId, clean: false })
  await second.ended()
  if (trial.version === V5) {
    await waitUntil(() => second.disconnectPacket, 'DISCONNECT')
    expectEqual(second.disconnectPacket.reasonCode, 0x8e, 'its reason')
  }
  third.expectConnected()
})

// [v5 MQTT-4.1.0-2] [v5 MQTT-3.1.2-23]
check('a_session_ends_when_its_expiry_has_passed', ONLY_5, async (trial) => {
  const client = await connected(trial, { clean: false, properties: { sessionExpiryInterval: 1 } })
  await client.cut()
  await client.connect()
  expectEqual(client.connack.sessionPresent, true, 'Session Present within the second')
  await client.cut()
  await pauseUntil(2_500)
  await client.connect()
  expectEqual(client.connack.sessionPresent, false, 'Session Present after 2.5 s of 1 s')
})

check('disconnect_changes_the_expiry', ONLY_5, async (trial) => {
  const client = await connected(trial, { clean: false })
  await client.disconnect({ properties: { sessionExpiryInterval: 0 } })
  await client.connect()
  expectEqual(client.connack.sessionPresent, false, 'Session Present after 0 in DISCONNECT')
})

// [v5 MQTT-3.3.2-5] [v5 MQTT-3.3.2-6]
check('offline_messages_expire', ONLY_5, async (trial) => {
  const topic = trial.topic('t')
  const subscriber = await connected(trial, { clean: false })
  await subscriber.subscribe(topic, 1)
  await subscriber.disconnect()
  const publisher = await connected(trial)
  for (const [payload, messageExpiryInterval] of [['short', 1], ['long', 100]]) {
    await publisher.publish(topic, payload, 1, { properties: { messageExpiryInterval } })
  }
  await pauseUntil(2_200)
  await subscriber.connect()
  const got = await subscriber.next()
  expectEqual(got.payload, 'long', 'what is left')
  const left = got.properties.messageExpiryInterval
  expect(left >= 90 && left <= 98, `Message Expiry Interval after 2 s of 100: ${left}`)
})
