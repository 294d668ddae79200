/** Writes docs/unsupported.md from the list of handlers and the table of APIs: `node scripts/unsupported-doc.ts`. */
import { writeFileSync } from 'node:fs'
import { handlers } from '../src/broker.ts'
import { apis } from '../src/protocol.ts'

export const page = new URL('../docs/unsupported.md', import.meta.url)

/** Why versions of an API are missing; required for each such API. */
const reasons: Readonly<Record<string, string>> = {
  WriteTxnMarkers: 'Only brokers and operators send it, and Kafka 4.0 also dropped version 0 (KIP-896).',
}

export function unsupported(): string {
  const offered = new Map(handlers.map(({ api, versions }) => [api.key, versions]))
  const known = Object.values(apis).sort((a, b) => a.key - b.key)
  const missing = known.filter(({ key }) => !offered.has(key)).map(({ key, name }) => `| ${key} | ${name} |`)
  const partly = known.flatMap(({ key, name, minVersion, maxVersion, latestVersionUnstable }) => {
    const versions = offered.get(key)
    // Kafka does not announce a version that it calls unstable either.
    const newest = latestVersionUnstable ? maxVersion - 1 : maxVersion
    if (versions === undefined || (versions[0] <= minVersion && versions[1] >= newest)) return []
    const reason = reasons[name]
    if (reason === undefined) throw new Error(`${name} lacks versions, and scripts/unsupported-doc.ts does not say why`)
    return [`| ${key} | ${name} | ${versions[0]}–${versions[1]} | ${minVersion}–${newest} | ${reason} |`]
  })
  return [
    '# Unsupported APIs',
    '',
    '<!-- Written by scripts/unsupported-doc.ts from src/broker/handlers.ts; do not edit. -->',
    '',
    ...(missing.length === 0
      ? [`Millrace supports all ${known.length} APIs on the broker listener of Apache Kafka 4.4.`]
      : [
          `Of the ${known.length} APIs on the broker listener of Apache Kafka 4.4, Millrace supports ${known.length - missing.length}. The others are not`,
          'announced by ApiVersions, so clients do not use them; a request for one of them closes the connection, as in Kafka.',
        ]),
    '',
    '## Missing APIs',
    '',
    ...(missing.length === 0 ? ['None.'] : ['| key | API |', '|---|---|', ...missing]),
    '',
    '## Missing versions',
    '',
    ...(partly.length === 0
      ? ['None.']
      : [
          '| key | API | supported versions | all versions, including those that Kafka 4 dropped | reason |',
          '|---|---|---|---|---|',
          ...partly,
        ]),
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(page, unsupported())
