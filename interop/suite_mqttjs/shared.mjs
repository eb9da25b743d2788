// Shared subscriptions: $share with a group, $queue without.
import { ALL, ONLY_5, check, expect, expectEqual, waitUntil } from './cases.mjs'
import { connected } from './client.mjs'

// Enough that a member chosen at random is left out once in 10^10 runs.
const MANY = 60
const sent = Array.from({ length: MANY }, (_, n) => String(n))

async function membersOf(trial, filter, count) {
  const members = []
  for (let n = 0; n < count; n++) {
    const member = await connected(trial)
    expectEqual(await member.subscribe(filter, 1), [1], 'SUBACK')
    members.push(member)
  }
  return members
}

async function publishAll(trial) {
  const publisher = await connected(trial)
  for (const payload of sent) await publisher.publish(trial.topic('t'), payload, 1)
}

/** Which member had each message, in the order of publishing. */
async function turnsOf(members) {
  const arrived = () => members.reduce((sum, member) => sum + member.unread(), 0)
  await waitUntil(() => arrived() >= MANY, `${MANY} messages at the members of the group`)
  const who = new Map()
  for (const [index, member] of members.entries()) {
    const payloads = await member.payloads(member.unread())
    expect(payloads.length > 0, `member ${index} has a part`)
    for (const payload of payloads) {
      expect(!who.has(payload), `${payload} goes to one member`)
      who.set(payload, index)
    }
  }
  return sent.map((payload) => who.get(payload))
}

check('share_picks_at_random', ALL, async (trial) => {
  const members = await membersOf(trial, `$share/g/${trial.topic('t')}`, 3)
  await publishAll(trial)
  const turns = await turnsOf(members)
  const repeats = turns.filter((member, n) => n > 0 && member === turns[n - 1])
  expect(repeats.length > 0, `the same member twice in a row at times, not ${turns}`)
})

check('queue_takes_turns', ALL, async (trial) => {
  const members = await membersOf(trial, `$queue/${trial.topic('t')}`, 3)
  await publishAll(trial)
  const turns = await turnsOf(members)
  expectEqual(turns, sent.map((_, n) => turns[n % 3]), 'members in turns')
})

check('each_group_gets_everything', ALL, async (trial) => {
  const groups = []
  for (const name of ['one', 'two']) groups.push(await membersOf(trial, `$share/${name}/${trial.topic('t')}`, 2))
  const plain = await connected(trial)
  await plain.subscribe(trial.topic('t'), 1)
  await publishAll(trial)
  for (const members of groups) {
    const turns = await turnsOf(members)
    expect(!turns.includes(undefined), 'every message at one member of the group')
  }
  expectEqual(await plain.payloads(MANY), sent, 'plain subscription')
})

check('a_shared_subscription_gets_no_retained_messages', ALL, async (trial) => {
  const publisher = await connected(trial)
  await publisher.publish(trial.topic('t'), 'kept', 1, { retain: true })
  const [member] = await membersOf(trial, `$share/g/${trial.topic('t')}`, 1)
  await member.expectQuiet()
})

// [v5 MQTT-3.8.3-4]
check('no_local_on_a_shared_subscription_is_a_protocol_error', ONLY_5, async (trial) => {
  const client = await connected(trial)
  client.subscribe(`$share/g/${trial.topic('t')}`, { qos: 1, nl: true }).catch(() => {})
  await client.ended()
  expectEqual(client.disconnectPacket?.reasonCode, 0x82, 'reason of the DISCONNECT')
})
