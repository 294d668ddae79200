/** The reference page `docs/configuration.md`, generated from the declarations. `scripts/configuration-doc.ts` writes it; a test compares it. */
import type { ConfigKey, Declarations } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import { clientMetricsKeys } from './keys/client-metrics-scope.ts'
import { groupKeys } from './keys/group-scope.ts'
import { networkKeys } from './keys/network.ts'
import { servicesKeys } from './keys/services.ts'
import { sharedHomeKeys } from './keys/shared-home.ts'
import { storageKeys } from './keys/storage.ts'
import { brokerKeys, internalKeys } from './keys.ts'

const introduction = `# Configuration

<!-- Written by scripts/configuration-doc.ts from the declarations in src/. Do not edit. -->

The value of a key comes from the first of these sources that sets it:

1. dynamic configs, which can be changed while the broker runs (\`millrace config set\`, \`kafka-configs\`)
2. flags (\`--set key=value\`)
3. the environment: \`MILLRACE_LOG_DIRS\`, then \`KAFKA_LOG_DIRS\`, for \`log.dirs\`; \`_\` stands for \`.\`, \`__\` for \`_\`, \`___\` for \`-\`
4. the file (\`--config\`): YAML with nested or dotted keys, or Kafka's \`server.properties\`
5. the default

\`millrace config explain\` shows every value and its source.

An invalid value is an error that names the key, where it is set, and what is allowed. An unknown key is an error, too, with a suggestion. In
\`server.properties\`, a key that does not resemble any key of Kafka is assumed to belong to a plug-in and ignored; one warning lists all such
keys. Without \`cluster\`, replica counts above 1 are treated as 1, with a warning, because there is only one broker. Kafka's own \`config.providers\` are supported.

All keys of Kafka 4.4 are accepted, so that a Kafka configuration works unchanged. Some have no effect; they are listed with the reason.

The column *change* says whether the value can be changed while the broker runs: *no*, *yes* (for all brokers or a single one), or *one broker* (only
for each broker separately). A default of – means none.
`

export function configurationReference(): string {
  return [
    introduction,
    part('Broker: connections', networkKeys, true),
    part('Broker: storage', storageKeys, true),
    part('Broker: cluster over PostgreSQL and an object store', sharedHomeKeys, true),
    part('Services beside the broker', servicesKeys, true),
    part('Broker: other keys', without(brokerKeys, networkKeys, storageKeys, sharedHomeKeys, servicesKeys), true),
    part('Topics', topicKeys, false),
    part('Groups', groupKeys, false),
    part('Client metrics subscriptions', clientMetricsKeys, false),
  ].join('\n')
}

function without(all: Declarations, ...parts: readonly Declarations[]): Declarations {
  return Object.fromEntries(Object.entries(all).filter(([name]) => !parts.some(part => Object.hasOwn(part, name))))
}

function part(title: string, declarations: Declarations, brokerScope: boolean): string {
  const keys = Object.entries(declarations)
    .filter(([name]) => !brokerScope || !internalKeys.has(name))
    .sort(([one], [other]) => (one < other ? -1 : 1))
  const effective = keys.filter(([, key]) => key.accepted === null)
  const accepted = keys.filter(([, key]) => key.accepted !== null)
  const head = brokerScope ? '| key | type | default | change | |\n|---|---|---|---|---|' : '| key | type | default | |\n|---|---|---|---|'
  const rows = effective.map(([name, key]) => row(name, key, brokerScope))
  const table = rows.length === 0 ? 'No key has an effect in this version.' : [head, ...rows].join('\n')
  return `## ${title}\n\n${table}\n${accepted.length === 0 ? '' : `\nAccepted, but without effect:\n\n${acceptedList(accepted)}\n`}`
}

function row(name: string, key: ConfigKey, brokerScope: boolean): string {
  const cells = [`\`${name}\``, typeText(key), key.default === null || key.default === '' ? '–' : `\`${key.default}\``]
  if (brokerScope) cells.push({ 'read-only': 'no', 'per-broker': 'one broker', 'cluster-wide': 'yes' }[key.dynamic])
  return `| ${[...cells, `${key.doc} Allowed: ${key.allowed}.`].map(escapeCell).join(' | ')} |`
}

function typeText({ type, unit }: ConfigKey): string {
  return unit === null ? type.toLowerCase() : `${type.toLowerCase()}, ${unit}`
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function acceptedList(keys: readonly [string, ConfigKey][]): string {
  const byReason = Map.groupBy(keys, ([, key]) => key.accepted)
  return [...byReason].map(([reason, group]) => `- because ${reason}: ${group.map(([name]) => `\`${name}\``).join(', ')}`).join('\n')
}
