// A client of MQTT.js that a case can drive step by step and wait for.
import { readFileSync } from 'node:fs'

import mqtt from 'mqtt'

import { DEADLINE_MS, Failure, QUIET_MS, V3_1, V5, expect, waitUntil } from './cases.mjs'

// What the environment says of the way to the broker, as `harness/transport.py` describes it.
const PROTOCOLS = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' }
const { TRANSPORT = 'tcp', CA_FILE, CERT_FILE, KEY_FILE } = process.env
if (!Object.hasOwn(PROTOCOLS, TRANSPORT)) throw new Error(`TRANSPORT=${TRANSPORT}: tcp, tls, ws or wss`)
const WAY = {
  protocol: PROTOCOLS[TRANSPORT],
  ...(TRANSPORT === 'ws' || TRANSPORT === 'wss' ? { path: '/mqtt' } : {}),
  ...(CA_FILE ? { ca: readFileSync(CA_FILE) } : {}),
  ...(CERT_FILE ? { cert: readFileSync(CERT_FILE), key: readFileSync(KEY_FILE) } : {})
}

// Long enough that no session of a case ends by itself.
const SESSION_S = 300

function withoutPrototype(properties) {
  const plain = { ...properties }
  if (plain.userProperties) plain.userProperties = { ...plain.userProperties }
  return plain
}

export class Client {
  #mqtt = null
  #messages = []
  #read = 0
  #ended = null
  // They outlive the connection, so that MQTT.js sends again what was not acknowledged.
  #stores = {
    incomingStore: new mqtt.Store({ clean: false }),
    outgoingStore: new mqtt.Store({ clean: false })
  }

  /**
   * `clean` is Clean Session in 3.x and Clean Start in 5.0, where a client that is not clean asks for
   * a session that outlives the case unless `properties` says otherwise. A client with `holding`
   * acknowledges no QoS 1 message and reads no further than the first.
   */
  constructor(trial, options = {}) {
    this.trial = trial
    this.clientId = options.clientId ?? trial.clientId()
    this.clean = options.clean ?? true
    this.options = options
    this.received = []
    this.sent = []
    trial.atEnd(() => this.#cleanUp())
  }

  /** Connects and waits for a CONNACK that accepts. */
  async connect(clean = this.clean) {
    await this.start(clean)
    await waitUntil(() => this.connack || this.error || this.#ended, 'CONNACK')
    if (!this.connack) throw new Failure(`no CONNACK: ${this.error?.message ?? 'closed'}`)
    return this
  }

  /** Sends CONNECT and waits for nothing. */
  async start(clean = this.clean) {
    const { trial, options } = this
    this.clean = clean
    this.connack = null
    this.error = null
    this.#ended = null
    const properties = { ...options.properties }
    if (options.clean === false) properties.sessionExpiryInterval ??= SESSION_S
    const client = mqtt.connect({
      host: trial.host,
      port: options.port ?? trial.port,
      ...WAY,
      protocolId: trial.version === V3_1 ? 'MQIsdp' : 'MQTT',
      protocolVersion: trial.version,
      clientId: this.clientId,
      clean,
      keepalive: options.keepalive ?? 60,
      reconnectPeriod: 0,
      resubscribe: false,
      autoAssignTopicAlias: options.autoAssignTopicAlias ?? false,
      ...this.#stores,
      ...(options.will ? { will: options.will } : {}),
      ...(trial.version === V5 && Object.keys(properties).length > 0 ? { properties } : {})
    })
    this.#mqtt = client
    client.on('connect', (connack) => (this.connack = connack))
    client.on('error', (error) => (this.error = error))
    client.on('disconnect', (packet) => (this.disconnectPacket = packet))
    client.on('close', () => (this.#ended = true))
    client.on('packetreceive', (packet) => this.received.push(packet))
    client.on('packetsend', (packet) => this.sent.push(packet))
    client.on('message', (topic, payload, packet) => {
      this.#messages.push({
        topic,
        payload: payload.toString(),
        qos: packet.qos,
        retain: packet.retain,
        dup: packet.dup,
        properties: withoutPrototype(packet.properties)
      })
    })
    if (options.holding) client.handleMessage = () => {}
  }

  /** What MQTT.js does with the callback as its last argument, as a promise with a deadline. */
  #call(what, start) {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Failure(`${this.clientId} waited for the answer to ${what}`))
      const timer = setTimeout(late, DEADLINE_MS)
      start((error, ...results) => {
        clearTimeout(timer)
        if (error) reject(error)
        else resolve(results)
      })
    })
  }

  /** Subscribes, waits for SUBACK, and gives its codes. */
  async subscribe(filters, options = { qos: 0 }) {
    const full = typeof options === 'number' ? { qos: options } : options
    const [, packet] = await this.#call('subscribe', (done) => this.#mqtt.subscribe(filters, full, done))
    return packet.granted
  }

  async unsubscribe(filters) {
    const [packet] = await this.#call('unsubscribe', (done) => this.#mqtt.unsubscribe(filters, done))
    return packet
  }

  /** Publishes and waits until the broker has acknowledged it. */
  async publish(topic, payload, qos = 0, options = {}) {
    if (options.retain && payload.length > 0) {
      this.trial.atEnd(async () => {
        const cleaner = await new Client(this.trial).connect()
        await cleaner.publish(topic, '', 1, { retain: true })
        await cleaner.disconnect()
      })
    }
    const [packet] = await this.#call('publish', (done) => this.send(topic, payload, qos, options, done))
    return packet
  }

  /** Publishes without waiting. */
  send(topic, payload, qos = 0, options = {}, done = () => {}) {
    this.#mqtt.publish(topic, payload, { qos, ...options }, done)
  }

  unread() {
    return this.#messages.length - this.#read
  }

  /** The next `count` messages. */
  async take(count, milliseconds = DEADLINE_MS) {
    const end = Date.now() + milliseconds
    while (this.unread() < count && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const unread = this.#messages.slice(this.#read)
    if (unread.length < count) {
      const some = JSON.stringify(unread.slice(0, 10).map((one) => [one.payload.slice(0, 40), one.qos]))
      throw new Failure(
        `${this.clientId} waited ${milliseconds} ms for ${count} messages, got ${unread.length}, the first are ${some}`
      )
    }
    this.#read += count
    return unread.slice(0, count)
  }

  async next(milliseconds) {
    return (await this.take(1, milliseconds))[0]
  }

  async payloads(count) {
    return (await this.take(count)).map((one) => one.payload)
  }

  /** Fails as soon as a message comes within this time. */
  async expectQuiet(milliseconds = QUIET_MS) {
    const end = Date.now() + milliseconds
    while (Date.now() < end) {
      const got = JSON.stringify(this.#messages.slice(this.#read))
      expect(this.unread() === 0, `${this.clientId} got what it must not: ${got}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Waits for the end of the connection. */
  async ended() {
    await waitUntil(() => this.#ended, `the end of the connection of ${this.clientId}`)
  }

  expectConnected() {
    expect(!this.#ended, `the connection of ${this.clientId} ended`)
  }

  /** Sends DISCONNECT and closes. */
  async disconnect(packet = {}) {
    await this.#call('end', (done) => this.#mqtt.end(false, packet, done))
  }

  /** Closes the socket without DISCONNECT, as a network that fails. */
  async cut() {
    this.#mqtt.stream.destroy()
    await this.ended()
  }

  async #cleanUp() {
    if (!this.#mqtt) return
    if (!this.#ended) await this.cut()
    this.#mqtt.end(true)
    if (this.options.clean !== false) return
    const last = new Client(this.trial, { clientId: this.clientId })
    await last.connect()
    await last.disconnect()
  }
}

/** A client that is connected. */
export function connected(trial, options) {
  return new Client(trial, options).connect()
}
