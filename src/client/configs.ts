/** Configs of topics, brokers and groups, with Kafka's names instead of its numbers. */

import { apis } from '../protocol.ts'
import type { Client } from './client.ts'
import { type Ask, type Requests, refuse, type Target } from './requests.ts'
import type { ConfigEntry, ConfigResource, ConfigResourceType } from './types.ts'

/** Kafka's ConfigResource.Type. */
const types: Readonly<Record<ConfigResourceType, number>> = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 }
/** Kafka's ConfigSource, by its code. */
const sources = [
  'UNKNOWN',
  'DYNAMIC_TOPIC_CONFIG',
  'DYNAMIC_BROKER_CONFIG',
  'DYNAMIC_DEFAULT_BROKER_CONFIG',
  'STATIC_BROKER_CONFIG',
  'DEFAULT_CONFIG',
  'DYNAMIC_BROKER_LOGGER_CONFIG',
  'DYNAMIC_CLIENT_METRICS_CONFIG',
  'DYNAMIC_GROUP_CONFIG',
]
const set = 0
const remove = 1

/** Kafka's ConfigDef.Type by its id in responses. */
const typeNames = ['UNKNOWN', 'BOOLEAN', 'STRING', 'INT', 'SHORT', 'LONG', 'DOUBLE', 'LIST', 'CLASS', 'PASSWORD']

export function configMethods(ask: Ask): Pick<Client, 'configs' | 'topicConfigs' | 'alterConfigs' | 'configResources'> {
  return {
    configs: async resource => (await ask(requests => describeConfigs(requests, [resource])))[0]!,
    topicConfigs: async (topics, { brief = false } = {}) => {
      const found = await ask(requests =>
        describeConfigs(
          requests,
          topics.map(name => ({ type: 'TOPIC', name })),
          brief,
        ),
      )
      return new Map(topics.map((name, index) => [name, found[index]!]))
    },
    alterConfigs: (resource, changes, validateOnly = false) => ask(requests => alterConfigs(requests, resource, changes, validateOnly)),
    configResources: type => ask(requests => configResources(requests, type)),
  }
}

/** All of them are asked of one broker. */
async function describeConfigs(requests: Requests, asked: readonly ConfigResource[], brief = false): Promise<ConfigEntry[][]> {
  if (asked.length === 0) return []
  const resources = asked.map(({ type, name }) => ({ resourceType: types[type], resourceName: name, configurationKeys: null }))
  const includeDocumentation = !brief && (await requests.speaks(apis.describeConfigs, 3))
  const request = { resources, includeSynonyms: !brief, includeDocumentation }
  const { results } = await requests.ask(apis.describeConfigs, request, brokerOf(asked[0]!))
  const found = new Map(results.map(result => [result.resourceName, result]))
  return asked.map(({ name }) => {
    const { errorCode, errorMessage, configs } = found.get(name)!
    refuse(errorCode, errorMessage)
    return configs
      .map(config => ({
        name: config.name,
        value: config.value,
        source: sourceName(config.configSource),
        readOnly: config.readOnly,
        sensitive: config.isSensitive,
        type: typeNames[config.configType] ?? 'UNKNOWN',
        documentation: config.documentation ?? null,
        synonyms: config.synonyms.map(each => ({ name: each.name, value: each.value, source: sourceName(each.source) })),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  })
}

async function alterConfigs(
  requests: Requests,
  resource: ConfigResource,
  changes: ReadonlyMap<string, string | null>,
  validateOnly: boolean,
): Promise<void> {
  const configs = Array.from(changes, ([name, value]) => ({ name, configOperation: value === null ? remove : set, value }))
  const resources = [{ resourceType: types[resource.type], resourceName: resource.name, configs }]
  const { responses } = await requests.ask(apis.incrementalAlterConfigs, { resources, validateOnly }, brokerOf(resource))
  for (const { errorCode, errorMessage } of responses) refuse(errorCode, errorMessage)
}

async function configResources(requests: Requests, type: ConfigResourceType): Promise<string[]> {
  // Version 0 lists client metrics only, and has no types.
  const old = type === 'CLIENT_METRICS' && !(await requests.speaks(apis.listConfigResources, 1))
  const response = await requests.ask(apis.listConfigResources, { resourceTypes: old ? [] : [types[type]] })
  refuse(response.errorCode)
  return response.configResources.map(each => each.resourceName).sort()
}

/** What concerns one broker only that broker answers. */
function brokerOf({ type, name }: ConfigResource): Target {
  return (type === 'BROKER' || type === 'BROKER_LOGGER') && name !== '' ? { node: Number(name) } : 'any'
}

export function sourceName(code: number): string {
  return sources[code] ?? 'UNKNOWN'
}
