// The properties of MQTT 5.0.
import { ONLY_5, SINCE_3_1_1, check, expect, expectEqual } from './cases.mjs'
import { Client, connected } from './client.mjs'

// [v5 MQTT-3.3.2-4] [v5 MQTT-3.3.2-15] [v5 MQTT-3.3.2-16] [v5 MQTT-3.3.2-17] [v5 MQTT-3.3.2-20]
check('properties_of_a_message_go_through', ONLY_5, async (trial) => {
  const client = await connected(trial)
  await client.subscribe(trial.topic('t'), 2)
  const properties = {
    payloadFormatIndicator: true,
    contentType: 'application/json',
    responseTopic: trial.topic('answer/räk'),
    correlationData: Buffer.from([0, 1, 254, 255]),
    userProperties: { z: ['1', '0', '1'], a: '' }
  }
  for (const qos of [0, 1, 2]) {
    await client.publish(trial.topic('t'), '{}', qos, { properties })
    const got = (await client.next()).properties
    expectEqual(got, properties, `properties at QoS ${qos}`)
    expectEqual(Object.keys(got.userProperties), ['z', 'a'], 'order of the user properties')
  }
})

// [v5 MQTT-3.3.4-3] [v5 MQTT-3.3.4-4] [v5 MQTT-3.3.4-5]
check('subscription_identifiers_of_all_that_match', ONLY_5, async (trial) => {
  const client = await connected(trial)
  const subscribe = (filter, subscriptionIdentifier) =>
    client.subscribe(trial.topic(filter), { qos: 1, properties: { subscriptionIdentifier } })
  await subscribe('a/+', 1)
  await subscribe('a/b', 268_435_455)
  await subscribe('c', 3)
  await client.publish(trial.topic('a/b'), 'two match', 1)
  await client.publish(trial.topic('c'), 'one matches', 1)
  const identifiers = []
  for (;;) {
    const { payload, properties } = await client.next()
    if (payload === 'one matches') {
      expectEqual([properties.subscriptionIdentifier].flat(), [3], 'identifier of one match')
      break
    }
    // One copy with both identifiers, or one copy for each subscription.
    identifiers.push(properties.subscriptionIdentifier)
  }
  expectEqual(identifiers.flat().sort((a, b) => a - b), [1, 268_435_455], 'identifiers of the copies')
})

// [v5 MQTT-3.3.2-12]
check('topic_aliases_of_the_client', ONLY_5, async (trial) => {
  const subscriber = await connected(trial)
  await subscriber.subscribe(trial.topic('#'), 1)
  const publisher = await connected(trial, { autoAssignTopicAlias: true })
  const topics = Array.from({ length: 12 }, (_, n) => trial.topic(`t${n % 3}`))
  for (const topic of topics) await publisher.publish(topic, 'm', 1)
  expectEqual((await subscriber.take(12)).map((one) => one.topic), topics, 'topics')
  const aliased = publisher.sent.filter((one) => one.cmd === 'publish' && one.topic === '')
  expect(aliased.length > 0, 'MQTT.js has used an alias instead of a topic')
})

// [v5 MQTT-3.1.2-26] [v5 MQTT-3.3.2-11]
check('topic_aliases_to_the_client', ONLY_5, async (trial) => {
  // MQTT.js itself refuses an alias that is too large or not known.
  const subscriber = await connected(trial, { properties: { topicAliasMaximum: 2 } })
  await subscriber.subscribe(trial.topic('#'), 1)
  const publisher = await connected(trial)
  const topics = Array.from({ length: 20 }, (_, n) => trial.topic(`t${n % 4}`))
  for (const topic of topics) await publisher.publish(topic, 'm', 1)
  expectEqual((await subscriber.take(20)).map((one) => one.topic), topics, 'topics')
  subscriber.expectConnected()
})

// [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-2]
check('a_receive_maximum_of_two', ONLY_5, async (trial) => {
  // MQTT.js itself refuses a QoS 2 message above the maximum that it announced.
  const subscriber = await connected(trial, { properties: { receiveMaximum: 2 } })
  await subscriber.subscribe(trial.topic('t'), 2)
  const publisher = await connected(trial)
  const payloads = Array.from({ length: 40 }, (_, n) => String(n))
  for (const payload of payloads) publisher.send(trial.topic('t'), payload, 2)
  expectEqual(await subscriber.payloads(40), payloads, 'messages')
  subscriber.expectConnected()
})

// [v5 MQTT-3.1.3-6] [v5 MQTT-3.1.3-7] [v5 MQTT-3.2.2-16]
check('an_empty_client_identifier_is_assigned_one', ONLY_5, async (trial) => {
  const names = new Set()
  for (let n = 0; n < 3; n++) {
    const { connack } = await connected(trial, { clientId: '' })
    expect(connack.properties?.assignedClientIdentifier, 'CONNACK has an Assigned Client Identifier')
    names.add(connack.properties.assignedClientIdentifier)
  }
  expectEqual(names.size, 3, 'different names')
})

// [v3 MQTT-3.1.3-6]
check('clients_with_an_empty_identifier_are_not_one', SINCE_3_1_1, async (trial) => {
  const clients = []
  for (let n = 0; n < 3; n++) clients.push(await connected(trial, { clientId: '' }))
  for (const [n, client] of clients.entries()) {
    await client.subscribe(trial.topic(`t/${n}`))
    await client.publish(trial.topic(`t/${n}`), String(n))
    expectEqual((await client.next()).payload, String(n), 'each its own')
    client.expectConnected()
  }
})

// [v5 MQTT-3.8.3-3]
check('no_local_keeps_own_messages_away', ONLY_5, async (trial) => {
  const topic = trial.topic('t')
  const [client, other] = [await connected(trial), await connected(trial)]
  for (const one of [client, other]) await one.subscribe(topic, { qos: 1, nl: true })
  await client.publish(topic, 'mine', 1)
  expectEqual((await other.next()).payload, 'mine', 'message at the other client')
  await other.publish(topic, 'yours', 1)
  expectEqual((await client.next()).payload, 'yours', 'first message')
})

// [v5 MQTT-3.1.2-24] [v5 MQTT-3.1.2-25]
check('a_message_above_the_maximum_packet_size_counts_as_delivered', ONLY_5, async (trial) => {
  const small = await connected(trial, { properties: { maximumPacketSize: 300 } })
  await small.subscribe(trial.topic('t'), 1)
  const publisher = await connected(trial)
  for (const payload of ['before', 'x'.repeat(1000), 'after']) {
    await publisher.publish(trial.topic('t'), payload, 1)
  }
  expectEqual(await small.payloads(2), ['before', 'after'], 'what fits')
})

check('puback_says_success_or_no_subscribers', ONLY_5, async (trial) => {
  const client = await connected(trial)
  for (const [qos, answer] of [[1, 'puback'], [2, 'pubrec']]) {
    await client.publish(trial.topic('nobody'), 'm', qos)
    const { reasonCode = 0 } = client.received.find((packet) => packet.cmd === answer)
    expect([0x00, 0x10].includes(reasonCode), `reason ${reasonCode} at QoS ${qos}`)
  }
})

// [v5 MQTT-4.12.0-1]
check('an_unknown_authentication_method', ONLY_5, async (trial) => {
  const client = new Client(trial, { properties: { authenticationMethod: 'interop-unknown' } })
  await client.start()
  await client.ended()
  expect([0x8c, 0x87].includes(client.error?.code), `CONNACK ${client.error?.code}: 0x8C or 0x87`)
})
