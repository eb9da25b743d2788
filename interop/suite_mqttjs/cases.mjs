// Named cases, and the runner that prints one line for each, in the words of harness/cases.py.
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual, parseArgs } from 'node:util'

// How long something that must happen may take, on a machine that is busy with other work.
export const DEADLINE_MS = 15_000
// How long a case watches for something that must not happen.
export const QUIET_MS = 400
const AT_ONCE = 12

export const V3_1 = 3
export const V3_1_1 = 4
export const V5 = 5
export const ALL = [V3_1, V3_1_1, V5]
// Where an older client cannot see the difference: MQTT 3.1 has no Session Present.
export const SINCE_3_1_1 = [V3_1_1, V5]
export const ONLY_5 = [V5]
const VERSION_NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' }

/** What the broker did, against what it should have done. */
export class Failure extends Error {}

export function expect(condition, what) {
  if (!condition) throw new Failure(what)
}

export function expectEqual(got, wanted, what) {
  const plain = (value) => JSON.stringify(value)
  if (!isDeepStrictEqual(got, wanted)) {
    throw new Failure(`${what}: expected ${plain(wanted)}, got ${plain(got)}`)
  }
}

/** Lets a time pass that is itself what the case is about: an expiry, a keep alive. */
export function pauseUntil(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Polls until `condition` gives something true, and gives that. */
export async function waitUntil(condition, what, milliseconds = DEADLINE_MS) {
  const end = Date.now() + milliseconds
  for (;;) {
    const value = condition()
    if (value) return value
    if (Date.now() > end) throw new Failure(`after ${milliseconds} ms still waiting for ${what}`)
    await pauseUntil(5)
  }
}

/** One run of one case against one broker. */
export class Trial {
  #cleanups = []
  #clientIds = 0

  constructor(name, version, host, port) {
    this.name = `${VERSION_NAMES[version]}/${name}`
    this.version = version
    this.host = host
    this.port = port
    this.nonce = randomBytes(5).toString('hex')
  }

  /** A topic or filter below a root that only this trial uses. */
  topic(rest) {
    return `interop/mqttjs/${this.nonce}/${rest}`
  }

  /** A Client Identifier of at most 23 letters and digits, which every broker must take. */
  clientId() {
    this.#clientIds += 1
    return `mqjs${this.nonce}x${this.#clientIds}`
  }

  /** Runs after the case, whatever its outcome; the last one named runs first. */
  atEnd(cleanup) {
    this.#cleanups.push(cleanup)
  }

  async clean() {
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup()
      } catch (error) {
        console.error(`note ${this.name}: clean-up: ${error.message}`)
      }
    }
  }
}

const registered = []

/** Registers a case for these versions. */
export function check(name, versions, run) {
  for (const version of versions) registered.push({ name, version, run })
}

async function runOne(suite, { name, version, run }, host, port) {
  const trial = new Trial(name, version, host, port)
  try {
    await run(trial)
    console.log(`ok ${suite} ${trial.name}`)
    return true
  } catch (error) {
    const where = error instanceof Failure ? '' : ` at ${error.stack?.split('\n')[1]?.trim()}`
    console.log(`FAIL ${suite} ${trial.name}: ${error.message}${where}`)
    return false
  } finally {
    await trial.clean()
  }
}

/** Runs the registered cases of a suite; the exit code is 1 if one of them failed, 2 for wrong arguments. */
export async function main(suite) {
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: process.env.HOST ?? '127.0.0.1' },
      port: { type: 'string', default: process.env.PORT ?? '1883' },
      only: { type: 'string', default: '*' },
      list: { type: 'boolean', default: false }
    }
  })
  const escaped = values.only.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
  const pattern = new RegExp(`^${escaped}$`)
  const work = registered.filter((one) => pattern.test(`${VERSION_NAMES[one.version]}/${one.name}`))
  if (work.length === 0) {
    console.error(`no case matches '${values.only}'; --list names them`)
    return 2
  }
  if (values.list) {
    for (const one of work) console.log(`${VERSION_NAMES[one.version]}/${one.name}`)
    return 0
  }
  let passed = 0
  let next = 0
  const worker = async () => {
    while (next < work.length) {
      const one = work[next]
      next += 1
      const succeeded = await runOne(suite, one, values.host, Number(values.port))
      passed += succeeded
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  console.log(`${suite}: ${passed} passed, ${work.length - passed} failed`)
  return passed === work.length ? 0 : 1
}
