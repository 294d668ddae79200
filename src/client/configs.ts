/** Configs of topics, brokers and groups, with Kafka's names instead of its numbers. */

import { promisify } from 'node:util'
import {
  type Admin,
  type API,
  ConfigResourceTypes,
  ConfigSources,
  type Connection,
  IncrementalAlterConfigOperationTypes,
  kGetApi,
  kGetBootstrapConnection,
} from '@platformatic/kafka'
import { apis } from '../protocol.ts'
import { type Requests, refuse } from './requests.ts'
import type { ConfigEntry, ConfigResource, ConfigResourceType } from './types.ts'

const sourceNames = new Map<number, string>(Object.entries(ConfigSources).map(([name, value]) => [value, name]))
// Kafka's words where the library has others.
sourceNames.set(ConfigSources.DYNAMIC_TOPIC_CONFIG, 'DYNAMIC_TOPIC_CONFIG')
sourceNames.set(ConfigSources.CLIENT_METRICS_CONFIG, 'DYNAMIC_CLIENT_METRICS_CONFIG')
sourceNames.set(ConfigSources.GROUP_CONFIG, 'DYNAMIC_GROUP_CONFIG')

/** Kafka's ConfigDef.Type by its id in responses. */
const typeNames = ['UNKNOWN', 'BOOLEAN', 'STRING', 'INT', 'SHORT', 'LONG', 'DOUBLE', 'LIST', 'CLASS', 'PASSWORD']

export async function describeConfigs(requests: Requests, resource: ConfigResource): Promise<ConfigEntry[]> {
  const { type, name } = resource
  const asked = { resourceType: ConfigResourceTypes[type], resourceName: name, configurationKeys: null }
  // What a broker is configured with, only that broker knows.
  const ofBroker = (type === 'BROKER' || type === 'BROKER_LOGGER') && /^\d+$/.test(name)
  const request = { resources: [asked], includeSynonyms: false, includeDocumentation: await requests.speaks(apis.describeConfigs, 3) }
  const response = await requests.ask(apis.describeConfigs, request, ofBroker ? { node: Number(name) } : 'any')
  const [described] = response.results
  refuse(described!.errorCode, described!.errorMessage)
  return described!.configs
    .map(config => ({
      name: config.name,
      value: config.value,
      source: sourceNames.get(config.configSource) ?? 'UNKNOWN',
      readOnly: config.readOnly,
      sensitive: config.isSensitive,
      type: typeNames[config.configType] ?? 'UNKNOWN',
      documentation: config.documentation ?? null,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function alterConfigs(admin: Admin, resource: ConfigResource, changes: ReadonlyMap<string, string | null>): Promise<void> {
  const { SET, DELETE } = IncrementalAlterConfigOperationTypes
  const configs = Array.from(changes, ([name, value]) => ({ name, configOperation: value === null ? DELETE : SET, value: value as string }))
  const resources = [{ resourceType: ConfigResourceTypes[resource.type], resourceName: resource.name, configs }]
  if (isClusterDefault(resource)) await call(admin, 'IncrementalAlterConfigs', resources, false)
  else await admin.incrementalAlterConfigs({ resources })
}

const clientMetricsCode = 16

export async function configResources(requests: Requests, type: ConfigResourceType): Promise<string[]> {
  const code = ConfigResourceTypes[type]
  // Version 0 lists client metrics only, and has no types.
  const old = code === clientMetricsCode && !(await requests.speaks(apis.listConfigResources, 1))
  const response = await requests.ask(apis.listConfigResources, { resourceTypes: old ? [] : [code] })
  refuse(response.errorCode)
  return response.configResources.map(each => each.resourceName).sort()
}

/** The library sends what concerns a broker to that broker, and takes the nameless one for number 0. */
function isClusterDefault({ type, name }: ConfigResource): boolean {
  return type === 'BROKER' && name === ''
}

async function call<Response>(admin: Admin, name: string, ...parts: unknown[]): Promise<Response> {
  const connection = await promisify<Connection>(done => admin[kGetBootstrapConnection](done as never))()
  const api = await promisify<API<unknown[], Response>>(done => admin[kGetApi](name, done as never))()
  return api.async(connection, ...parts)
}
