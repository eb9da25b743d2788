// Retained messages.
import { ALL, ONLY_5, check, expectEqual } from './cases.mjs'
import { connected } from './client.mjs'

const kept = { retain: true }

// [v3 MQTT-3.3.1-5] [v3 MQTT-3.3.1-6] [v3 MQTT-3.3.1-8]
// [v5 MQTT-3.3.1-5] [v5 MQTT-3.3.1-9]
check('one_for_each_topic_the_last_one_by_wildcards', ALL, async (trial) => {
  const publisher = await connected(trial)
  for (const name of ['x', 'x/1', 'x/2', 'x/2/deep', 'y/1']) {
    for (const payload of [`old ${name}`, name]) await publisher.publish(trial.topic(name), payload, 1, kept)
  }
  for (const [filter, names] of Object.entries({
    'x/1': ['x/1'],
    'x/+': ['x/1', 'x/2'],
    'x/#': ['x', 'x/1', 'x/2', 'x/2/deep'],
    '+/1': ['x/1', 'y/1'],
    'none/#': []
  })) {
    const subscriber = await connected(trial)
    await subscriber.subscribe(trial.topic(filter), 1)
    const got = await subscriber.take(names.length)
    expectEqual(got.map((one) => one.payload).sort(), names, `retained messages for ${filter}`)
    for (const one of got) expectEqual([one.retain, one.qos], [true, 1], 'RETAIN and QoS')
    await subscriber.expectQuiet()
  }
})

// [v3 MQTT-3.8.4-3]
// [v5 MQTT-3.3.1-9] [v5 MQTT-3.8.4-3] [v5 MQTT-3.8.4-4]
check('given_again_on_a_second_subscribe', ALL, async (trial) => {
  const publisher = await connected(trial)
  await publisher.publish(trial.topic('t'), 'kept', 1, kept)
  const subscriber = await connected(trial)
  for (let n = 0; n < 3; n++) {
    await subscriber.subscribe(trial.topic('t'), 1)
    const got = await subscriber.next()
    expectEqual([got.payload, got.retain], ['kept', true], 'retained message')
  }
  await publisher.publish(trial.topic('t'), 'live', 1)
  expectEqual((await subscriber.next()).payload, 'live', 'live message, from one subscription')
  await subscriber.expectQuiet()
})

// [v3 MQTT-3.3.1-9] [v3 MQTT-3.3.1-10] [v3 MQTT-3.3.1-11] [v3 MQTT-3.3.1-12]
// [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7] [v5 MQTT-3.3.1-8] [v5 MQTT-3.3.1-12]
check('live_messages_and_deletion', ALL, async (trial) => {
  const topic = trial.topic('t')
  const [publisher, present] = [await connected(trial), await connected(trial)]
  await present.subscribe(topic, 1)
  await publisher.publish(topic, 'kept', 1, kept)
  await publisher.publish(topic, 'passing', 1)
  const later = await connected(trial)
  await later.subscribe(topic, 1)
  expectEqual((await later.next()).payload, 'kept', 'a message without RETAIN changes nothing')
  await publisher.publish(topic, '', 1, kept)
  const got = (await present.take(3)).map((one) => [one.payload, one.retain])
  expectEqual(got, [['kept', false], ['passing', false], ['', false]], 'who is there gets RETAIN 0')
  const last = await connected(trial)
  await last.subscribe(topic, 1)
  await last.expectQuiet()
})

// [v5 MQTT-3.3.1-9] [v5 MQTT-3.3.1-10] [v5 MQTT-3.3.1-11]
check('retain_handling', ONLY_5, async (trial) => {
  const topic = trial.topic('t')
  await (await connected(trial)).publish(topic, 'kept', 1, kept)
  for (const [rh, wanted] of [[0, [1, 1]], [1, [1, 0]], [2, [0, 0]]]) {
    const subscriber = await connected(trial)
    for (const count of wanted) {
      await subscriber.subscribe(topic, { qos: 1, rh })
      expectEqual(await subscriber.payloads(count), Array(count).fill('kept'), `Retain Handling ${rh}`)
      await subscriber.expectQuiet()
    }
  }
})

// [v5 MQTT-3.3.1-12] [v5 MQTT-3.3.1-13]
check('retain_as_published', ONLY_5, async (trial) => {
  const topic = trial.topic('t')
  const publisher = await connected(trial)
  for (const rap of [false, true]) {
    const subscriber = await connected(trial)
    await subscriber.subscribe(topic, { qos: 1, rap, rh: 2 })
    for (const retain of [false, true]) {
      await publisher.publish(topic, 'live', 1, { retain })
      expectEqual((await subscriber.next()).retain, rap && retain, `asked ${rap}, published ${retain}`)
    }
  }
})
