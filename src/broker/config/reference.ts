/** The reference page `docs/configuration.md`, made from the declarations. `scripts/configuration-doc.ts` writes it, a test compares. */
import type { ConfigKey, Declarations } from '../../base.ts'
import { topicKeys } from '../../log.ts'
import { clientMetricsKeys } from './keys/client-metrics-scope.ts'
import { groupKeys } from './keys/group-scope.ts'
import { networkKeys } from './keys/network.ts'
import { storageKeys } from './keys/storage.ts'
import { brokerKeys, internalKeys } from './keys.ts'

const introduction = `# Configuration

<!-- Written by scripts/configuration-doc.ts from the declarations in src/. Do not edit. -->

Each value comes from the first of these sources that has it:

1. dynamic configs, which are changed while the broker runs (\`millrace config set\`, \`kafka-configs\`)
2. flags (\`--set key=value\`)
3. the environment: \`MILLRACE_LOG_DIRS\`, then \`KAFKA_LOG_DIRS\`, for \`log.dirs\`. \`_\` stands for \`.\`, \`__\` for \`_\`, \`___\` for \`-\`
4. the file (\`--config\`): YAML with nested or dotted keys, or Kafka's \`server.properties\`
5. the default

\`millrace config explain\` shows every value and its source.

An invalid value is an error that names the key, the place and what is allowed. So is an unknown key, with a suggestion. In a
\`server.properties\`, a key that does not resemble a key of Kafka is taken for one of a plug-in: it is ignored, with one warning for all such
keys. Replica counts above 1 count as 1, with a warning, because there is one broker. Kafka's own \`config.providers\` are supported.

All keys of Kafka 4.4 are known. Those listed as *without effect* are accepted, so that a Kafka configuration works unchanged.

Columns: *default* (– means none); *change* says whether the value can be changed while the broker runs: *yes* for all brokers, *one broker* for each.
`

export function configurationReference(): string {
  return [
    introduction,
    part('Broker: connections', networkKeys, true),
    part('Broker: storage', storageKeys, true),
    part('Broker: the rest', without(brokerKeys, networkKeys, storageKeys), true),
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
  const table = rows.length === 0 ? 'None of the keys has an effect in this version.' : [head, ...rows].join('\n')
  return `## ${title}\n\n${table}\n${accepted.length === 0 ? '' : `\nWithout effect:\n\n${acceptedList(accepted)}\n`}`
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
