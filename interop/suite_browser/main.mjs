// `node suite_browser/main.mjs --host HOST --port PORT`: MQTT.js over WebSocket inside headless Chromium.
// The port is that of a ws:// listener. Each case runs in a page of its own, whose origin is a server
// that this program starts; what a page can and a program cannot see is the point, not all of MQTT.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

import { chromium } from 'playwright-core'

import { ALL, ONLY_5, SINCE_3_1_1, check, expect, expectEqual, main } from '../suite_mqttjs/cases.mjs'
import { PAGE } from './page.mjs'

const bundle = new URL('../node_modules/mqtt/dist/mqtt.min.js', import.meta.url)
const library = readFileSync(bundle, 'utf8')

// A page with the library and what cases call.
const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html><title>MQTT</title><script>${library}</script><script>${PAGE}</script>`)
})
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${server.address().port}`

// Root, as in a container, has no sandbox of Chromium's.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  chromiumSandbox: process.getuid() !== 0
})

/** A new page, which ends with the case. */
async function opened(trial) {
  const page = await browser.newPage()
  trial.atEnd(() => page.close())
  await page.goto(origin)
  return page
}

/** What functions of the page are given. */
function given(trial) {
  const { host, port, version, nonce } = trial
  const ids = [`page${nonce}a`, `page${nonce}b`]
  return { url: `ws://${host}:${port}/mqtt`, version, topic: trial.topic('t'), ids }
}

/** Runs a function in a new page. */
async function inPage(trial, run) {
  return (await opened(trial)).evaluate(run, given(trial))
}

check('every_qos_there_and_back', ALL, async (trial) => {
  const got = await inPage(trial, async (given) => {
    const client = await connected(given, 0)
    await client.subscribeAsync(given.topic, { qos: 2 })
    for (const qos of [0, 1, 2]) await client.publishAsync(given.topic, `at ${qos}`, { qos })
    const got = await taken(client, 3)
    await client.endAsync()
    return got.map(({ payload, qos }) => [payload, qos])
  })
  expectEqual(got, [['at 0', 0], ['at 1', 1], ['at 2', 2]], 'the messages')
})

check('a_payload_of_many_frames_and_every_byte', SINCE_3_1_1, async (trial) => {
  const got = await inPage(trial, async (given) => {
    const client = await connected(given, 0)
    await client.subscribeAsync(given.topic, { qos: 1 })
    const payload = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256)
    await client.publishAsync(given.topic, payload, { qos: 1 })
    const [{ bytes }] = await taken(client, 1)
    await client.endAsync()
    return bytes.length === payload.length && bytes.every((byte, index) => byte === payload[index])
  })
  expect(got, 'what came is not what was sent')
})

check('a_session_goes_on_and_its_messages_wait', SINCE_3_1_1, async (trial) => {
  const got = await inPage(trial, async (given) => {
    const first = await connected(given, 0, { clean: false })
    await first.subscribeAsync(given.topic, { qos: 1 })
    await first.endAsync()
    const other = await connected(given, 1)
    await other.publishAsync(given.topic, 'meanwhile', { qos: 1 })
    await other.endAsync()
    const again = await connected(given, 0, { clean: false })
    const [{ payload }] = await taken(again, 1)
    const present = again.connack.sessionPresent
    await again.endAsync()
    await (await connected(given, 0)).endAsync()
    return [present, payload]
  })
  expectEqual(got, [true, 'meanwhile'], 'the session')
})

check('a_page_that_goes_away_leaves_its_will', ALL, async (trial) => {
  const watching = inPage(trial, async (given) => {
    const client = await connected(given, 1)
    await client.subscribeAsync(given.topic, { qos: 1 })
    await client.publishAsync(given.topic, 'watching', { qos: 1, retain: true })
    const got = await taken(client, 2)
    await client.publishAsync(given.topic, '', { retain: true })
    await client.endAsync()
    return got.map(({ payload }) => payload)
  })
  const leaving = (async () => {
    const page = await opened(trial)
    await page.evaluate(async (given) => {
      const will = { topic: given.topic, payload: 'gone', qos: 1 }
      const client = await connected(given, 0, { will })
      await client.subscribeAsync(given.topic, { qos: 1 })
      await taken(client, 1)
    }, given(trial))
    await page.goto('about:blank')
  })()
  const [got] = await Promise.all([watching, leaving])
  expectEqual(got, ['watching', 'gone'], 'the messages')
})

check('properties_and_reasons_reach_the_page', ONLY_5, async (trial) => {
  const got = await inPage(trial, async (given) => {
    const client = await connected(given, 0)
    await client.subscribeAsync(given.topic, { qos: 1, properties: { subscriptionIdentifier: 7 } })
    const properties = { contentType: 'text/plain', userProperties: { a: 'b' } }
    await client.publishAsync(given.topic, 'x', { qos: 1, properties })
    const [{ packet }] = await taken(client, 1)
    const ended = new Promise((resolve) => client.once('disconnect', (packet) => resolve(packet.reasonCode)))
    const other = await connected(given, 0)
    const reasonCode = await ended
    await other.endAsync()
    const { contentType, subscriptionIdentifier, userProperties } = packet.properties
    return { contentType, subscriptionIdentifier, userProperties: { ...userProperties }, reasonCode }
  })
  expectEqual(
    got,
    { contentType: 'text/plain', subscriptionIdentifier: 7, userProperties: { a: 'b' }, reasonCode: 0x8e },
    'what the page sees'
  )
})

const code = await main('browser')
await browser.close()
server.close()
process.exit(code)
