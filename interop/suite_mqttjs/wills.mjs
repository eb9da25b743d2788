// Will messages: when they are published, when not, and what they carry.
import { ALL, ONLY_5, check, expect, expectEqual } from './cases.mjs'
import { connected } from './client.mjs'
import { Proxy } from './proxy.mjs'

async function watcherOf(trial) {
  const watcher = await connected(trial)
  await watcher.subscribe(trial.topic('will/#'), 2)
  return watcher
}

function will(trial, payload, more = {}) {
  return { topic: trial.topic('will/t'), payload: Buffer.from(payload), qos: 0, retain: false, ...more }
}

// [v3 MQTT-3.1.2-8] [v3 MQTT-3.1.2-9] [v3 MQTT-3.1.2-16]
// [v5 MQTT-3.1.2-7] [v5 MQTT-3.1.2-8] [v5 MQTT-3.1.2-14]
check('will_after_a_connection_that_breaks', ALL, async (trial) => {
  const watcher = await watcherOf(trial)
  for (const qos of [0, 1, 2]) {
    const client = await connected(trial, { will: will(trial, `gone ${qos}`, { qos }) })
    await client.cut()
    const got = await watcher.next()
    expectEqual([got.payload, got.qos, got.retain], [`gone ${qos}`, qos, false], 'the will')
  }
  await watcher.expectQuiet()
})

// [v3 MQTT-3.1.2-10] [v3 MQTT-3.14.4-3]
// [v5 MQTT-3.1.2-10] [v5 MQTT-3.14.4-3]
check('no_will_after_a_normal_disconnect', ALL, async (trial) => {
  const watcher = await watcherOf(trial)
  await (await connected(trial, { will: will(trial, 'gone') })).disconnect()
  await watcher.expectQuiet()
})

// [v3 MQTT-3.1.2-17] [v5 MQTT-3.1.2-15]
check('will_retain_for_a_later_subscriber', ALL, async (trial) => {
  const watcher = await watcherOf(trial)
  const cleaner = await connected(trial)
  trial.atEnd(async () => {
    const last = await connected(trial)
    await last.publish(trial.topic('will/t'), '', 1, { retain: true })
  })
  const client = await connected(trial, { will: will(trial, 'kept', { qos: 1, retain: true }) })
  await client.cut()
  expectEqual((await watcher.next()).retain, false, 'RETAIN of the live will')
  await cleaner.subscribe(trial.topic('will/t'), 1)
  const got = await cleaner.next()
  expectEqual([got.payload, got.qos, got.retain], ['kept', 1, true], 'retained will')
})

// [v3 MQTT-3.1.2-24] [v5 MQTT-3.1.2-22]
check('will_when_the_keep_alive_passes', ALL, async (trial) => {
  const watcher = await watcherOf(trial)
  const proxy = await Proxy.listen(trial)
  await connected(trial, { will: will(trial, 'silent'), keepalive: 2, port: proxy.port })
  proxy.loseFrom('client')
  const begun = Date.now()
  expectEqual((await watcher.next()).payload, 'silent', 'the will')
  const waited = (Date.now() - begun) / 1000
  expect(waited > 1.5 && waited < 6, `keep alive 2 s, the will came after ${waited} s, not about 3`)
})

// [v3 MQTT-3.1.4-2]
check('will_on_takeover', ALL, async (trial) => {
  const watcher = await watcherOf(trial)
  const clientId = trial.clientId()
  const first = await connected(trial, { clientId, will: will(trial, 'taken') })
  const second = await connected(trial, { clientId })
  expectEqual((await watcher.next()).payload, 'taken', 'will of the first connection')
  await first.ended()
  second.expectConnected()
})

// [v5 MQTT-3.1.2-8]
check('will_after_disconnect_with_will', ONLY_5, async (trial) => {
  const watcher = await watcherOf(trial)
  const client = await connected(trial, { will: will(trial, 'asked for') })
  await client.disconnect({ reasonCode: 0x04 })
  expectEqual((await watcher.next()).payload, 'asked for', 'will after DISCONNECT 0x04')
})

// [v5 MQTT-3.1.2-8]
check('will_delay_holds_the_will_back', ONLY_5, async (trial) => {
  const watcher = await watcherOf(trial)
  const late = will(trial, 'late', { properties: { willDelayInterval: 2 } })
  const client = await connected(trial, { clean: false, will: late })
  await client.cut()
  const begun = Date.now()
  await watcher.expectQuiet(1_200)
  expectEqual((await watcher.next()).payload, 'late', 'will')
  const waited = (Date.now() - begun) / 1000
  expect(waited > 1.8 && waited < 5, `delay 2 s, the will came after ${waited} s`)
})

// [v5 MQTT-3.1.3-9]
check('a_session_that_resumes_cancels_a_delayed_will', ONLY_5, async (trial) => {
  const watcher = await watcherOf(trial)
  const late = will(trial, 'late', { properties: { willDelayInterval: 1 } })
  const client = await connected(trial, { clean: false, will: late })
  await client.cut()
  await client.connect()
  await watcher.expectQuiet(2_000)
  await client.disconnect()
  await watcher.expectQuiet()
})

// [v5 MQTT-3.1.3-10] [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-20]
check('a_will_carries_its_properties', ONLY_5, async (trial) => {
  const watcher = await watcherOf(trial)
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain',
    responseTopic: trial.topic('answer'),
    correlationData: Buffer.from([0, 255]),
    userProperties: { z: ['1', '0'], a: '2' }
  }
  const client = await connected(trial, { will: will(trial, 'gone', { qos: 1, properties }) })
  await client.cut()
  expectEqual((await watcher.next()).properties, properties, 'properties of the will')
})
