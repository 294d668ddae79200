/** Configs of topics, brokers and groups, in Kafka's words instead of its numbers. */
import { type Admin, ConfigResourceTypes, ConfigSources, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka'
import type { ConfigEntry, ConfigResource } from './types.ts'

const sourceNames = new Map<number, string>(Object.entries(ConfigSources).map(([name, value]) => [value, name]))
sourceNames.set(ConfigSources.DYNAMIC_TOPIC_CONFIG, 'DYNAMIC_TOPIC_CONFIG')

export async function describeConfigs(admin: Admin, { type, name }: ConfigResource): Promise<ConfigEntry[]> {
  const [described] = await admin.describeConfigs({
    // An empty list asks for nothing, null for everything; the library's type lacks the null.
    resources: [{ resourceType: ConfigResourceTypes[type], resourceName: name, configurationKeys: null as never }],
  })
  return described!.configs
    .map(config => ({
      name: config.name,
      value: config.value ?? null,
      source: sourceNames.get(config.configSource) ?? 'UNKNOWN',
      readOnly: config.readOnly,
      sensitive: config.isSensitive,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function alterConfigs(admin: Admin, { type, name }: ConfigResource, changes: ReadonlyMap<string, string | null>) {
  const { SET, DELETE } = IncrementalAlterConfigOperationTypes
  await admin.incrementalAlterConfigs({
    resources: [
      {
        resourceType: ConfigResourceTypes[type],
        resourceName: name,
        configs: Array.from(changes, ([key, value]) => ({
          name: key,
          configOperation: value === null ? DELETE : SET,
          value: value as string,
        })),
      },
    ],
  })
}
