// What runs inside the page beside MQTT.js: two functions that cases call.

/* global mqtt */

/** A client that is connected, with its messages and CONNACK. */
async function connected({ url, version, ids }, which, options = {}) {
  const client = mqtt.connect(url, {
    clientId: ids[which],
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: version,
    reconnectPeriod: 0,
    resubscribe: false,
    ...(version === 5 && options.clean === false ? { properties: { sessionExpiryInterval: 60 } } : {}),
    ...options
  })
  client.messages = []
  client.on('message', (topic, payload, packet) => {
    const message = { payload: payload.toString(), bytes: Uint8Array.from(payload), qos: packet.qos, packet }
    client.messages.push(message)
    client.emit('taken')
  })
  client.connack = await new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed before CONNACK')))
  })
  return client
}

/** The first messages of a client, once there are so many. */
async function taken(client, count) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`${client.messages.length} of ${count} messages came`)), 15_000)
  })
  const all = (async () => {
    while (client.messages.length < count) {
      await new Promise((resolve) => client.once('taken', resolve))
    }
  })()
  await Promise.race([all, late])
  return client.messages.slice(0, count)
}

/** The source of both, for a script of the page. */
export const PAGE = `${connected}\n${taken}`
