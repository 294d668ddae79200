/** docs/compat.md: one table of clients and the cases they share, one list for the tools, one for Kafka Streams and Connect, what the endurance run counted, and every case that does not pass. */
import type { CaseResult } from './suite.ts'

const marks = { ok: '✓', FAIL: '✗', skip: 'skipped' }

export function page(results: readonly CaseResult[], { commit, date }: { commit: string; date: string }): string {
  const isTool = (each: CaseResult) => each.client.startsWith('kafka-tools') || each.client === 'kafka-dump-log'
  const isEndurance = (each: CaseResult) => each.client === 'endurance'
  const isApplication = (each: CaseResult) => /^kafka-(streams|connect)-/.test(each.client)
  const lines = [
    '# Clients and tools',
    '',
    `Written by \`npm run compat\` at commit ${commit} on ${date}; do not edit. Each client comes unchanged from its registry and runs against one`,
    'Millrace; the cases are in `compat/`, each proven on a real Apache Kafka. An empty field: the client cannot do it, or its cases do not ask.',
    '',
    ...table(results.filter(each => !isTool(each) && !isApplication(each) && !isEndurance(each))),
    '',
    "## Kafka's command-line tools",
    '',
    ...results.filter(isTool).map(each => `- ${marks[each.outcome]} ${each.name}`),
    '',
    '## Kafka Streams and Kafka Connect',
    '',
    ...results.filter(isApplication).map(each => `- ${marks[each.outcome]} ${each.client}: ${each.name}`),
    '',
    '## Through kill -9, over SASL_SSL with ACLs',
    '',
    ...results.filter(isEndurance).map(each => `- ${marks[each.outcome]} ${each.name}: ${each.detail}`),
  ]
  const others = results.filter(each => each.outcome !== 'ok')
  if (others.length > 0)
    lines.push(
      '',
      '## What does not pass, and why',
      '',
      ...others.map(each => `- ${each.client}, ${each.name}: ${marks[each.outcome]} ${each.detail}`),
    )
  return `${lines.join('\n')}\n`
}

function table(results: readonly CaseResult[]): string[] {
  const clients = [...new Set(results.map(each => each.client))]
  const cases = [...new Set(results.map(each => each.name))]
  const found = new Map(results.map(each => [`${each.client} ${each.name}`, marks[each.outcome]]))
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(['client', ...cases]),
    line(['---', ...cases.map(() => '---')]),
    ...clients.map(client => line([client, ...cases.map(name => found.get(`${client} ${name}`) ?? '')])),
  ]
}
