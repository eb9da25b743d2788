// Each QoS end to end, order, topic filters, and acknowledgements that are lost.
import { ALL, SINCE_3_1_1, V5, check, expect, expectEqual, waitUntil } from './cases.mjs'
import { Client, connected } from './client.mjs'
import { Proxy } from './proxy.mjs'

async function roundTrip(trial, qos) {
  const subscriber = await connected(trial)
  const publisher = await connected(trial)
  const topic = trial.topic('räk/🐦/饼干')
  expectEqual(await subscriber.subscribe(topic, qos), [qos], 'SUBACK')
  await publisher.publish(topic, 'payload', qos)
  const { topic: gotTopic, payload, qos: gotQos, dup, retain } = await subscriber.next()
  expectEqual([gotTopic, payload, gotQos, dup, retain], [topic, 'payload', qos, false, false], 'message')
  await subscriber.expectQuiet()
}

// [v3 MQTT-4.3.1-1] [v3 MQTT-3.3.1-2] [v3 MQTT-2.3.1-5]
// [v5 MQTT-4.3.1-1] [v5 MQTT-3.3.1-2] [v5 MQTT-2.2.1-2]
check('qos_0_end_to_end', ALL, (trial) => roundTrip(trial, 0))

// [v3 MQTT-4.3.2-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
// [v5 MQTT-4.3.2-2] [v5 MQTT-4.3.2-4] [v5 MQTT-3.3.4-1] [v5 MQTT-2.2.1-5]
check('qos_1_end_to_end', ALL, (trial) => roundTrip(trial, 1))

// [v3 MQTT-4.3.3-1] [v3 MQTT-4.3.3-2] [v3 MQTT-3.3.4-1] [v3 MQTT-2.3.1-6]
// [v5 MQTT-4.3.3-2] [v5 MQTT-4.3.3-4] [v5 MQTT-4.3.3-8] [v5 MQTT-4.3.3-11] [v5 MQTT-3.3.4-1]
check('qos_2_end_to_end', ALL, (trial) => roundTrip(trial, 2))

// [v3 MQTT-3.8.4-6] [v5 MQTT-3.8.4-8]
check('the_lower_qos_of_message_and_subscription', ALL, async (trial) => {
  const publisher = await connected(trial)
  for (const granted of [0, 1, 2]) {
    const subscriber = await connected(trial)
    const topic = trial.topic(`granted/${granted}`)
    await subscriber.subscribe(topic, granted)
    for (const published of [0, 1, 2]) {
      await publisher.publish(topic, `at ${published}`, published)
      const got = await subscriber.next()
      expectEqual(
        [got.payload, got.qos],
        [`at ${published}`, Math.min(granted, published)],
        `published at ${published}, granted ${granted}`
      )
    }
  }
})

// [v3 MQTT-3.8.4-4] [v3 MQTT-3.8.4-5] [v3 MQTT-3.9.3-1]
// [v5 MQTT-3.8.4-5] [v5 MQTT-3.8.4-6] [v5 MQTT-3.8.4-7] [v5 MQTT-3.9.3-1]
check('suback_answers_each_filter_in_order', ALL, async (trial) => {
  const client = await connected(trial)
  const filters = {}
  for (const [name, qos] of [['two', 2], ['zero', 0], ['one', 1]]) filters[trial.topic(name)] = { qos }
  expectEqual(await client.subscribe(filters), [2, 0, 1], 'SUBACK')
  for (const topic of Object.keys(filters)) await client.publish(topic, topic, 1)
  const topics = (await client.take(3)).map((one) => one.topic)
  expectEqual(topics.sort(), Object.keys(filters).sort(), 'topics')
})

// [v3 MQTT-4.6.0-6] [v5 MQTT-4.6.0-5]
check('messages_keep_their_order', ALL, async (trial) => {
  const subscriber = await connected(trial)
  const publisher = await connected(trial)
  const wanted = Array.from({ length: 100 }, (_, n) => String(n))
  for (const qos of [0, 1, 2]) {
    const topic = trial.topic(`order/${qos}`)
    await subscriber.subscribe(topic, qos)
    for (const payload of wanted) publisher.send(topic, payload, qos)
    expectEqual(await subscriber.payloads(100), wanted, `order at QoS ${qos}`)
  }
})

// [v3 MQTT-3.3.2-3] [v5 MQTT-3.3.2-3]
check('wildcards_match_whole_levels', ALL, async (trial) => {
  const topics = ['a', 'a/', 'a/b', 'a/b/c', 'A/b', '/a/b', 'a//c', 'ab', 'last/of/all/four']
  const wanted = {
    'a/#': ['a', 'a/', 'a/b', 'a/b/c', 'a//c'],
    'a/+': ['a/', 'a/b'],
    '+/b': ['a/b', 'A/b'],
    'a/+/c': ['a/b/c', 'a//c'],
    '+/+/b': ['/a/b']
  }
  const subscribers = {}
  for (const filter of Object.keys(wanted)) {
    subscribers[filter] = await connected(trial)
    await subscribers[filter].subscribe([trial.topic(filter), trial.topic('last/of/all/four')], 1)
  }
  const publisher = await connected(trial)
  for (const topic of topics) await publisher.publish(trial.topic(topic), topic, 1)
  for (const [filter, names] of Object.entries(wanted)) {
    const got = []
    for (;;) {
      const { payload } = await subscribers[filter].next()
      if (payload === 'last/of/all/four') break
      got.push(payload)
    }
    expectEqual(got, names, `what ${filter} matches`)
  }
})

// [v3 MQTT-3.10.4-1] [v3 MQTT-3.10.4-2] [v3 MQTT-3.10.4-4]
// [v5 MQTT-3.10.4-1] [v5 MQTT-3.10.4-2] [v5 MQTT-3.10.4-4] [v5 MQTT-3.11.3-1] [v5 MQTT-3.11.3-2]
check('unsubscribe_ends_delivery', ALL, async (trial) => {
  const client = await connected(trial)
  const [gone, kept, never] = ['gone/+', 'kept', 'never'].map((name) => trial.topic(name))
  await client.subscribe([gone, kept], 1)
  const { granted } = await client.unsubscribe([never, gone])
  if (trial.version === V5) expectEqual(granted, [0x11, 0x00], 'UNSUBACK')
  await client.publish(trial.topic('gone/1'), 'gone', 1)
  await client.publish(kept, 'kept', 1)
  expectEqual((await client.next()).payload, 'kept', 'first message after UNSUBACK')
})

check('a_large_payload', ALL, async (trial) => {
  const client = await connected(trial)
  await client.subscribe(trial.topic('t'), 2)
  const payload = 'abcdefghijklmnopqrstuvwxy'.repeat(40_000)
  for (const qos of [0, 1, 2]) {
    await client.publish(trial.topic('t'), payload, qos)
    const got = await client.next()
    expect(got.payload === payload, `1 000 000 bytes at QoS ${qos} came changed: ${got.payload.length}`)
  }
})

async function republish(trial, qos) {
  const topic = trial.topic('t')
  const subscriber = await connected(trial)
  await subscriber.subscribe(topic, qos)
  const proxy = await Proxy.listen(trial)
  const publisher = await connected(trial, { clean: false, port: proxy.port })
  proxy.loseFrom('broker')
  publisher.send(topic, 'sent twice', qos)
  await proxy.untilLost()
  proxy.cut()
  await publisher.ended()
  await publisher.connect()
  const answer = qos === 1 ? 'puback' : 'pubcomp'
  await waitUntil(() => publisher.received.some((packet) => packet.cmd === answer), answer)
  // Without DUP: MQTT.js leaves it 0, and the identifier alone shows that it is a repeat.
  const sent = publisher.sent.filter((packet) => packet.cmd === 'publish')
  expectEqual(sent.map((one) => one.messageId), Array(2).fill(sent[0].messageId), 'sent by MQTT.js')
  await publisher.publish(topic, 'last', qos)
  const got = []
  for (;;) {
    const { payload } = await subscriber.next()
    if (payload === 'last') return got
    got.push(payload)
  }
}

check('qos_1_sent_again_after_a_lost_puback', SINCE_3_1_1, async (trial) => {
  expectEqual([...new Set(await republish(trial, 1))], ['sent twice'], 'delivered')
})

// [v3 MQTT-4.3.3-2] [v5 MQTT-4.3.3-10]
check('qos_2_sent_again_after_a_lost_pubrec_is_delivered_once', SINCE_3_1_1, async (trial) => {
  expectEqual(await republish(trial, 2), ['sent twice'], 'delivered')
})

// [v3 MQTT-3.12.4-1] [v5 MQTT-3.12.4-1]
check('pings_keep_an_idle_connection', ALL, async (trial) => {
  const client = await new Client(trial, { keepalive: 1 }).connect()
  const pings = () => client.received.filter((packet) => packet.cmd === 'pingresp').length
  await waitUntil(() => pings() >= 3, 'three PINGRESPs')
  client.expectConnected()
})
