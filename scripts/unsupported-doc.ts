/** Writes docs/unsupported.md from the list of handlers and the table of APIs: `node scripts/unsupported-doc.ts`. */
import { writeFileSync } from 'node:fs'
import { handlers } from '../src/broker.ts'
import { apis } from '../src/protocol.ts'

export const page = new URL('../docs/unsupported.md', import.meta.url)

/** An API that lacks versions has to say why. */
const reasons: Readonly<Record<string, string>> = {
  WriteTxnMarkers: 'Only brokers and operators send it; Kafka 4.0 dropped version 0 as well (KIP-896).',
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
    '# What Millrace does not answer yet',
    '',
    '<!-- Written by scripts/unsupported-doc.ts from src/broker/handlers.ts; do not edit. -->',
    '',
    ...(missing.length === 0
      ? [`All ${known.length} APIs on the broker listener of Apache Kafka 4.4 are answered.`]
      : [
          `Of the ${known.length} APIs on the broker listener of Apache Kafka 4.4, ${known.length - missing.length} are answered. The others are absent from`,
          'ApiVersions, so that clients know at once; a request for one of them closes the connection, as in Kafka.',
        ]),
    '',
    '## APIs that are missing',
    '',
    ...(missing.length === 0 ? ['None.'] : ['| key | API |', '|---|---|', ...missing]),
    '',
    '## APIs of which some versions are missing',
    '',
    ...(partly.length === 0
      ? ['None.']
      : ['| key | API | answered | known, with those that Kafka 4 dropped | why |', '|---|---|---|---|---|', ...partly]),
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(page, unsupported())
