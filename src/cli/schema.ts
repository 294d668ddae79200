/** `millrace schema`: the schemas of a registry. */
import { realSystem } from '../base.ts'
import { type RegistryClient, RegistryRefused, SerdeError } from '../serde.ts'
import { lineDiff } from './line-diff.ts'
import { CommandFailed, plural, show, table, UsageError } from './output.ts'
import type { ReferenceFlag } from './program-schema.ts'
import type { RegistryFlags } from './serde-options.ts'
import { openRegistry } from './serdes.ts'

interface Flags extends RegistryFlags {
  json?: boolean
}

interface FileFlags extends Flags {
  type?: 'avro' | 'json' | 'protobuf'
  reference?: ReferenceFlag[]
  normalize?: boolean
}

interface Version {
  subject: string
  version: number
  id: number
  schemaType?: string
  schema: string
}

export async function listSchemas(prefix: string | undefined, flags: Flags): Promise<void> {
  const query = `latestOnly=true${prefix === undefined ? '' : `&subjectPrefix=${encodeURIComponent(prefix)}`}`
  const found = await withRegistry(flags, registry => registry.request('GET', `/schemas?${query}`) as Promise<Version[]>)
  const rows = found.map(({ subject, version, id, schemaType }) => ({ subject, version, id, type: schemaType ?? 'AVRO' }))
  rows.sort((a, b) => (a.subject < b.subject ? -1 : 1))
  await show(flags.json, rows, () =>
    table(
      ['SUBJECT', 'VERSION', 'ID', 'TYPE'],
      rows.map(({ subject, version, id, type }) => [subject, version, id, type]),
    ),
  )
}

export async function getSchema(subject: string | undefined, version: string | undefined, flags: Flags & { id?: number }): Promise<void> {
  if ((subject === undefined) === (flags.id === undefined)) throw new UsageError('name a subject, or pass --id')
  const path = subject === undefined ? `/schemas/ids/${flags.id}` : pathOf(subject, versionOf(version))
  const found = await withRegistry(flags, registry => registry.request('GET', path) as Promise<Version>)
  await show(flags.json, found, () => `${pretty(found)}\n`)
}

export async function registerSchema(subject: string, file: string, flags: FileFlags): Promise<void> {
  const body = bodyOf(file, flags)
  const path = `/subjects/${encodeURIComponent(subject)}/versions${flags.normalize ? '?normalize=true' : ''}`
  const answer = await withRegistry(flags, registry => registry.request('POST', path, body) as Promise<{ id: number }>)
  await show(flags.json, answer, () => `${answer.id}\n`)
}

export async function checkSchema(subject: string, file: string, flags: FileFlags & { allVersions?: boolean }): Promise<void> {
  const body = bodyOf(file, flags)
  const versions = flags.allVersions ? 'versions' : 'versions/latest'
  const path = `/compatibility/subjects/${encodeURIComponent(subject)}/${versions}?verbose=true${flags.normalize ? '&normalize=true' : ''}`
  const answer = await withRegistry(
    flags,
    registry => registry.request('POST', path, body) as Promise<{ is_compatible: boolean; messages?: string[] }>,
  )
  const reasons = answer.messages ?? []
  await show(flags.json, answer, () =>
    answer.is_compatible ? 'compatible\n' : `incompatible\n${reasons.map(each => `  ${each}\n`).join('')}`,
  )
  if (!answer.is_compatible) process.exitCode = 1
}

export async function diffSchemas(subject: string, from: string | undefined, to: string | undefined, flags: Flags): Promise<void> {
  const [one, other] = await withRegistry(flags, async registry => {
    const fetch = (version: string) => registry.request('GET', pathOf(subject, versionOf(version))) as Promise<Version>
    const newer = await fetch(to ?? 'latest')
    if (from !== undefined) return [await fetch(from), newer] as const
    const versions = (await registry.request('GET', `/subjects/${encodeURIComponent(subject)}/versions`)) as number[]
    const before = versions.filter(each => each < newer.version).at(-1)
    if (before === undefined) throw new CommandFailed(`${subject} has no version before ${newer.version}`)
    return [await fetch(String(before)), newer] as const
  })
  const lines = lineDiff(pretty(one).split('\n'), pretty(other).split('\n'))
  await show(flags.json, { subject, from: one.version, to: other.version, lines }, () => {
    const isSame = lines.every(line => line.startsWith(' '))
    const head = `--- ${subject} version ${one.version}\n+++ ${subject} version ${other.version}\n`
    return isSame ? `versions ${one.version} and ${other.version} are equal\n` : `${head}${lines.map(line => `${line}\n`).join('')}`
  })
}

export async function deleteSchema(subject: string, flags: Flags & { version?: number; permanent?: boolean }): Promise<void> {
  const path = flags.version === undefined ? `/subjects/${encodeURIComponent(subject)}` : pathOf(subject, String(flags.version))
  const deleted = await withRegistry(flags, async registry => {
    try {
      const soft = await registry.request('DELETE', path)
      return flags.permanent ? await registry.request('DELETE', `${path}?permanent=true`) : soft
    } catch (error) {
      // What was deleted before can still be deleted for ever.
      if (!flags.permanent || !(error instanceof RegistryRefused) || ![40_404, 40_406].includes(error.code)) throw error
      return registry.request('DELETE', `${path}?permanent=true`)
    }
  })
  const versions = Array.isArray(deleted) ? deleted : [deleted]
  await show(
    flags.json,
    { subject, versions },
    () => `${plural(versions.length, 'version')} of ${subject} deleted${flags.permanent ? ' for ever' : ''}\n`,
  )
}

async function withRegistry<T>(flags: Flags, work: (registry: RegistryClient) => Promise<T>): Promise<T> {
  try {
    const registry = await openRegistry(flags)
    try {
      return await work(registry)
    } finally {
      registry.close()
    }
  } catch (error) {
    if (error instanceof RegistryRefused) throw new CommandFailed(`${error.message} (${error.code})`)
    throw error instanceof SerdeError ? new CommandFailed(error.message) : error
  }
}

function pathOf(subject: string, version: string): string {
  return `/subjects/${encodeURIComponent(subject)}/versions/${version}`
}

function versionOf(text = 'latest'): string {
  if (text !== 'latest' && !/^\d{1,10}$/.test(text)) throw new UsageError(`"${text}" is not a version: a number, or latest`)
  return text
}

const types = { avsc: 'avro', json: 'json', proto: 'protobuf' } as const

function bodyOf(file: string, { type, reference }: FileFlags): object {
  const content = realSystem().files.readFile(file)
  if (content === null) throw new CommandFailed(`file not found: ${file}`)
  const ending = file.slice(file.lastIndexOf('.') + 1)
  const known = type ?? (Object.hasOwn(types, ending) ? types[ending as keyof typeof types] : null)
  if (known === null) throw new UsageError(`${file} does not say what it is; pass --type`)
  return {
    schema: content.toString('utf8'),
    schemaType: known.toUpperCase(),
    ...(reference === undefined ? {} : { references: reference }),
  }
}

/** JSON on several lines; Protobuf as it is. */
function pretty({ schema, schemaType }: Version): string {
  if (schemaType === 'PROTOBUF') return schema.trimEnd()
  try {
    return JSON.stringify(JSON.parse(schema), null, 2)
  } catch {
    // A registry may hold what is none: shown as it is.
    return schema
  }
}
