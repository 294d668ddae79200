/** Changes of the metadata that need about as many records as one operation may have: deciding, replaying and publishing them takes many turns. */
import { apis } from '../../src/protocol.ts'
import { asAdmin, numbers, type Special } from './specials.ts'
import type { Stage } from './stage.ts'

/** Kafka's bound is 10,000. */
const many = 9_900
const timeoutMs = 60_000

async function create(stage: Stage, names: readonly string[], numPartitions: number): Promise<number> {
  const topics = names.map(name => ({ name, numPartitions, replicationFactor: 1, assignments: [], configs: [] }))
  return asAdmin(stage, apis.createTopics, 7, { topics, timeoutMs, validateOnly: false })
}

async function remove(stage: Stage, names: readonly string[]): Promise<number> {
  return asAdmin(stage, apis.deleteTopics, 5, { topicNames: [...names], timeoutMs })
}

const largeTopic: Special = {
  api: apis.createTopics,
  name: `a topic of ${many} partitions, and its end`,
  run: async stage => Math.max(await create(stage, ['large'], many), await remove(stage, ['large'])),
}

const growth: Special = {
  api: apis.createPartitions,
  name: `${many} more at once, and the end of the topic`,
  async run(stage) {
    await create(stage, ['growing'], 1)
    const topics = [{ name: 'growing', count: many, assignments: null }]
    const longest = await asAdmin(stage, apis.createPartitions, 3, { topics, timeoutMs, validateOnly: false })
    await remove(stage, ['growing'])
    return longest
  },
}

const acls: Special = {
  api: apis.createAcls,
  name: `${many} of them, and their end`,
  async run(stage) {
    const creations = numbers(many).map(n => ({
      resourceType: 2,
      resourceName: `n${n}`,
      resourcePatternType: 3,
      principal: 'User:many',
      host: '*',
      operation: 3,
      permissionType: 3,
    }))
    const longest = await asAdmin(stage, apis.createAcls, 2, { creations })
    const filter = {
      resourceTypeFilter: 2,
      resourceNameFilter: null,
      patternTypeFilter: 1,
      hostFilter: null,
      operation: 1,
      permissionType: 1,
    }
    return Math.max(longest, await asAdmin(stage, apis.deleteAcls, 2, { filters: [{ ...filter, principalFilter: 'User:many' }] }))
  },
}

const quotas: Special = {
  api: apis.alterClientQuotas,
  name: `of ${many} users, and their end`,
  async run(stage) {
    const alter = (remove: boolean) => {
      const entries = numbers(many).map(n => ({
        entity: [{ entityType: 'user', entityName: `u${n}` }],
        ops: [{ key: 'producer_byte_rate', value: 1e6, remove }],
      }))
      return asAdmin(stage, apis.alterClientQuotas, 1, { entries, validateOnly: false })
    }
    return Math.max(await alter(false), await alter(true))
  },
}

const defaults: Special = {
  api: apis.incrementalAlterConfigs,
  name: 'a default that 4,000 topics follow',
  prepare: async stage =>
    void (await create(
      stage,
      numbers(4_000).map(n => `follows-${n}`),
      1,
    )),
  async run(stage) {
    const alter = (configOperation: number) => {
      const configs = [{ name: 'log.retention.ms', configOperation, value: '1000000' }]
      return asAdmin(stage, apis.incrementalAlterConfigs, 1, {
        resources: [{ resourceType: 4, resourceName: '', configs }],
        validateOnly: false,
      })
    }
    return Math.max(await alter(0), await alter(1))
  },
}

export const decisions: readonly Special[] = [largeTopic, growth, acls, quotas, defaults]
