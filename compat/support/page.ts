/**
 * docs/compat.md: for each theme a table of cases and the clients that share them, lists for the tools, Kafka Streams and Connect, the results
 * of the endurance run, and every case that does not pass.
 */
import type { CaseResult } from './suite.ts'

const marks = { ok: '✓', FAIL: '✗', skip: 'skipped' }

/** By the names of cases; the first that fits. */
const themes: readonly (readonly [heading: string, names: RegExp])[] = [
  [
    'TLS, SASL and ACLs',
    /^(m?tls|sasl-|oauthbearer|wrong-|forbidden|reauth|delegation-token|txn-forbidden|admin-acls|admin-scram|.*-secured$)/,
  ],
  ['Transactions', /^txn-/],
  ['Share groups (KIP-932)', /^share-/],
  ['Groups', /^(group-|consumer-protocol|commit-resume|static-member|cooperative-|admin-groups|admin-group-)/],
  ['Administration', /^admin-/],
  ['Produce, consume, offsets', /(?:)/],
]

/** Clients of the services, which have cases of their own. */
const ofServices: readonly (readonly [heading: string, clients: RegExp])[] = [
  ['Schema registry', /registry|serializers|^franz-go-sr$/],
  ['REST proxy', /rest/],
]

export function page(results: readonly CaseResult[], { commit, date }: { commit: string; date: string }): string {
  const isTool = (each: CaseResult) => each.client.startsWith('kafka-tools') || each.client === 'kafka-dump-log'
  const isOurs = (each: CaseResult) => each.client === 'millrace-cli' || each.client === 'millrace-services'
  const isEndurance = (each: CaseResult) => each.client === 'endurance'
  const isApplication = (each: CaseResult) => /^kafka-(streams|connect)-/.test(each.client)
  const isService = (each: CaseResult) => ofServices.some(([, clients]) => clients.test(each.client))
  const lines = [
    '# Clients and tools',
    '',
    `Written by \`npm run compat\` at commit ${commit} on ${date}; do not edit. Each client is installed unchanged from its registry and runs against`,
    'Millrace. The cases are in `compat/`. They were verified against a real Apache Kafka, except those with kill -9, which did not all finish there. An',
    'empty cell means that the client does not support the feature, or that there is no such case for it.',
    '',
    ...tables(results.filter(each => !isTool(each) && !isOurs(each) && !isApplication(each) && !isEndurance(each) && !isService(each))),
    ...ofServices.flatMap(([heading, clients]) => tableOf(heading, results, clients)),
    "## Kafka's command-line tools",
    '',
    ...results.filter(isTool).map(each => `- ${marks[each.outcome]} ${each.name}`),
    '',
    "## Millrace's command line and services, also against Apache Kafka",
    '',
    ...results.filter(isOurs).map(each => `- ${marks[each.outcome]} ${each.name}`),
    '',
    '## Kafka Streams and Kafka Connect',
    '',
    ...results.filter(isApplication).map(each => `- ${marks[each.outcome]} ${each.client}: ${each.name}`),
    '',
    '## With kill -9 of the broker, over SASL_SSL with ACLs',
    '',
    ...results.filter(isEndurance).map(each => `- ${marks[each.outcome]} ${each.name}: ${each.detail}`),
  ]
  const others = results.filter(each => each.outcome !== 'ok')
  if (others.length > 0)
    lines.push(
      '',
      '## Cases that do not pass',
      '',
      ...others.map(each => `- ${each.client}, ${each.name}: ${marks[each.outcome]} ${each.detail}`),
    )
  return `${lines.join('\n')}\n`
}

function tables(results: readonly CaseResult[]): string[] {
  const clients = [...new Set(results.map(each => each.client))]
  const byTheme = Map.groupBy(results, ({ name }) => themes.find(([, names]) => names.test(name))![0])
  return themes.toReversed().flatMap(([heading]) => {
    const cases = byTheme.get(heading)
    return cases === undefined ? [] : [`## ${heading}`, '', ...table(clients, cases), '']
  })
}

function tableOf(heading: string, results: readonly CaseResult[], clients: RegExp): string[] {
  const own = results.filter(each => clients.test(each.client))
  return own.length === 0 ? [] : [`## ${heading}`, '', ...table([...new Set(own.map(each => each.client))], own), '']
}

/** A row for each case, a column for each client that has one of them. */
function table(clients: readonly string[], results: readonly CaseResult[]): string[] {
  const columns = clients.filter(client => results.some(each => each.client === client))
  const found = new Map(results.map(each => [`${each.client} ${each.name}`, marks[each.outcome]]))
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const names = [...new Set(results.map(each => each.name))]
  return [
    line(['', ...columns]),
    line(['---', ...columns.map(() => '---')]),
    ...names.map(name => line([name, ...columns.map(client => found.get(`${client} ${name}`) ?? '')])),
  ]
}
