/** A simulated member of a KIP-848 group keeps to the protocol as Kafka's client does. Otherwise the simulation finds faults that no client would meet. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { membershipFor } from '../sim/scenarios/exactly-once-membership.ts'
import { Stage } from '../sim/scenarios/exactly-once-stage.ts'
import { Network } from '../sim/world/network.ts'
import { seededRandom } from '../sim/world/random.ts'
import { NoAnswer, type Wire } from '../sim/world/wire.ts'
import { simulatedWorld } from '../sim/world/world.ts'
import { type apis, errorCode, type InputOf, type MessageOf, type Uuid } from '../src/protocol.ts'

type Request = InputOf<typeof apis.consumerGroupHeartbeat.request>
type Response = MessageOf<typeof apis.consumerGroupHeartbeat.response>

const topicId = '00000000000000000000AA' as Uuid
const answer = (more: Partial<Response>): Response => ({
  throttleTimeMs: 0,
  errorCode: 0,
  errorMessage: null,
  memberId: null,
  memberEpoch: 1,
  heartbeatIntervalMs: 300,
  assignment: null,
  ...more,
})

function memberOf(answers: (Response | NoAnswer)[], seed: number) {
  const world = simulatedWorld({ seed: 1 })
  const { clock, timers } = world.system
  const network = new Network({ clock, timers, random: world.random, latency: () => 1, breaks: () => false })
  const stage = new Stage(world, network, { partitions: 2, assignment: 'consumer', brokers: 1 })
  const requests: Request[] = []
  const call = async (_api: unknown, _version: number, request: Request) => {
    requests.push(request)
    const next = answers.shift()!
    if (next instanceof NoAnswer) throw next
    return next
  }
  return { member: membershipFor(stage, seededRandom(seed), { call } as unknown as Wire, 0, 1), requests }
}

const full = ({ rebalanceTimeoutMs = -1, topicPartitions, subscribedTopicNames, subscribedTopicRegex }: Request) =>
  rebalanceTimeoutMs !== -1 && topicPartitions != null && (subscribedTopicNames ?? subscribedTopicRegex) != null

test('a member says all after every failure, because an assignment may have been given in it', async () => {
  const given = { topicPartitions: [{ topicId, partitions: [1] }] }
  const subscriptions = new Set<string>()
  for (let seed = 1; seed <= 8; seed++) {
    for (const failure of [
      answer({ errorCode: errorCode('NOT_COORDINATOR') }),
      answer({ errorCode: errorCode('COORDINATOR_LOAD_IN_PROGRESS') }),
      new NoAnswer('lost', true),
    ]) {
      const answers = [answer({ assignment: { topicPartitions: [] } }), answer({}), failure, answer({ assignment: given })]
      const { member, requests } = memberOf(answers, seed)
      await member.poll()
      await member.poll()
      await member.poll().catch(error => assert.equal(error, failure))
      assert.ok(await member.poll())
      assert.deepEqual(member.partitions, [1])
      assert.deepEqual(requests.map(full), [true, false, false, true])
      subscriptions.add(String(requests[0]!.subscribedTopicNames ?? null))
    }
  }
  assert.equal(subscriptions.size, 2, 'some subscribe by name, others with a regular expression only')
})
