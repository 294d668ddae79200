/** Schemas, as the registry has them for who asks: subjects, versions, compatibility, and to save another version after a check. */
import { type Static, Type } from 'typebox'
import { HttpError } from '../../http.ts'
import type { RegistryClient } from '../../serde.ts'
import { RegistryRefused } from '../../serde.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { listQuery, MaybeText, OfTopic, route } from '../route.ts'

const Subject = Type.String({ minLength: 1, maxLength: 1_000 })
const OfSubject = Type.Object({ subject: Subject })
const Done = Type.Object({})
const Reference = Type.Object({ name: Type.String(), subject: Type.String(), version: Type.Integer() })
const Version = Type.Object({
  id: Type.Integer(),
  version: Type.Integer(),
  type: Type.String(),
  schema: Type.String(),
  references: Type.Array(Reference),
})
const Draft = Type.Object({
  type: Type.Union([Type.Literal('AVRO'), Type.Literal('JSON'), Type.Literal('PROTOBUF')]),
  schema: Type.String({ minLength: 1, maxLength: 4_194_304 }),
  references: Type.Optional(Type.Array(Reference, { maxItems: 1_000 })),
})

const mostRows = 200

function required(registry: RegistryClient | null): RegistryClient {
  if (registry === null)
    throw new HttpError(
      404,
      404,
      'No schema registry is known. Name one with schema.registry.url, or run it beside the console: services=console,registry',
    )
  return registry
}

const path = (subject: string, rest = '') => `/subjects/${encodeURIComponent(subject)}${rest}`

const list = route({
  method: 'GET',
  path: '/schemas',
  query: Type.Object(listQuery(mostRows)),
  response: Type.Object({
    total: Type.Integer(),
    rows: Type.Array(
      Type.Object({
        subject: Type.String(),
        type: MaybeText,
        version: Type.Union([Type.Integer(), Type.Null()]),
        id: Type.Union([Type.Integer(), Type.Null()]),
      }),
    ),
  }),
  async handle({ query: { search = '', from = 0, limit = 50 }, registry, catalogue }) {
    const client = required(registry)
    const wanted = search.toLowerCase()
    const subjects = (await catalogue.subjects.get(client)).filter(each => each.toLowerCase().includes(wanted))
    const rows = await Promise.all(
      subjects.slice(from, from + limit).map(async subject => {
        // One that was deleted meanwhile is still a row.
        const latest = await versionOf(client, subject, 'latest').catch(() => null)
        return { subject, type: latest?.type ?? null, version: latest?.version ?? null, id: latest?.id ?? null }
      }),
    )
    return { total: subjects.length, rows }
  },
})

interface Answered {
  id: number
  version: number
  schema: string
  schemaType?: string
  references?: Static<typeof Reference>[]
}

async function versionOf(client: RegistryClient, subject: string, version: number | 'latest') {
  const found = (await client.request('GET', path(subject, `/versions/${version}`))) as Answered
  return {
    id: found.id,
    version: found.version,
    type: found.schemaType ?? 'AVRO',
    schema: found.schema,
    references: found.references ?? [],
  }
}

const one = route({
  method: 'GET',
  path: '/schemas/:subject',
  params: OfSubject,
  response: Type.Object({
    subject: Type.String(),
    versions: Type.Array(Type.Integer()),
    compatibility: Type.String(),
    /** Whether it is that of the subject itself, or that of all. */
    ownCompatibility: Type.Boolean(),
  }),
  handle: ({ params: { subject }, registry }) => infoOf(required(registry), subject),
})

async function infoOf(client: RegistryClient, subject: string) {
  const versions = (await client.request('GET', path(subject, '/versions'))) as number[]
  const own = await configOf(client, `/config/${encodeURIComponent(subject)}`)
  const compatibility = own ?? (await configOf(client, '/config')) ?? 'BACKWARD'
  return { subject, versions, compatibility, ownCompatibility: own !== null }
}

/** null: not set. */
async function configOf(client: RegistryClient, where: string): Promise<string | null> {
  try {
    return ((await client.request('GET', where)) as { compatibilityLevel: string }).compatibilityLevel
  } catch (error) {
    if (error instanceof RegistryRefused && error.status === 404) return null
    throw error
  }
}

const version = route({
  method: 'GET',
  path: '/schemas/:subject/versions/:version',
  params: Type.Object({ subject: Subject, version: Type.Integer({ minimum: 1 }) }),
  response: Version,
  handle: ({ params, registry }) => versionOf(required(registry), params.subject, params.version),
})

const bodyOf = ({ type, schema, references = [] }: Static<typeof Draft>) => ({ schemaType: type, schema, references })

const check = route({
  method: 'POST',
  path: '/schemas/:subject/check',
  changes: [],
  params: OfSubject,
  body: Draft,
  response: Type.Object({ compatible: Type.Boolean(), messages: Type.Array(Type.String()) }),
  audit: () => null,
  async handle({ params: { subject }, body, registry }) {
    const where = `/compatibility${path(subject, '/versions')}?verbose=true`
    try {
      const answer = (await required(registry).request('POST', where, bodyOf(body))) as { is_compatible: boolean; messages?: string[] }
      return { compatible: answer.is_compatible, messages: answer.messages ?? [] }
    } catch (error) {
      if (error instanceof RegistryRefused && error.status === 422) return { compatible: false, messages: [error.message] }
      throw error
    }
  },
})

const save = route({
  method: 'POST',
  path: '/schemas/:subject',
  changes: ['subjects'],
  params: OfSubject,
  body: Draft,
  response: Type.Object({ id: Type.Integer() }),
  async handle({ params: { subject }, body, registry }) {
    const { id } = (await required(registry).request('POST', path(subject, '/versions'), bodyOf(body))) as { id: number }
    return { id }
  },
})

const levels = ['BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE', 'NONE'].join('|')

const configure = route({
  method: 'PATCH',
  path: '/schemas/:subject/compatibility',
  changes: [],
  params: OfSubject,
  /** null: that of all. */
  body: Type.Object({ compatibility: Type.Union([Type.String({ pattern: `^(${levels})$` }), Type.Null()]) }),
  response: Done,
  audit: ({ body }) => body,
  async handle({ params: { subject }, body: { compatibility }, registry }) {
    const where = `/config/${encodeURIComponent(subject)}`
    if (compatibility === null) await required(registry).request('DELETE', where)
    else await required(registry).request('PUT', where, { compatibility })
    return {}
  },
})

const remove = route({
  method: 'DELETE',
  path: '/schemas/:subject',
  changes: ['subjects'],
  params: OfSubject,
  query: Type.Object({ ...Confirmed.properties, permanent: Type.Optional(Type.Boolean()) }),
  response: Done,
  async handle({ params: { subject }, query: { confirm, permanent = false }, registry }) {
    requireConfirmed(confirm, subject)
    const client = required(registry)
    await client.request('DELETE', path(subject))
    // The registry deletes for good only what was deleted before.
    if (permanent) await client.request('DELETE', path(subject, '?permanent=true'))
    return {}
  },
})

const mostOthers = 100

const ofTopic = route({
  method: 'GET',
  path: '/topics/:topic/schemas',
  params: OfTopic,
  response: Type.Object({
    parts: Type.Array(
      Type.Object({
        part: Type.Union([Type.Literal('key'), Type.Literal('value')]),
        subject: Type.String(),
        /** The newest; null: the subject has none. */
        latest: Type.Union([Version, Type.Null()]),
        versions: Type.Integer(),
        compatibility: MaybeText,
      }),
    ),
    /** Whose names begin with that of the topic: of records by their names, or of another topic with a longer name. */
    others: Type.Array(Type.String()),
  }),
  async handle({ params: { topic }, registry, client, catalogue }) {
    const asked = required(registry)
    // Whoever may not see the topic is refused here.
    const [subjects] = await Promise.all([catalogue.subjects.get(asked), client.topics([topic])])
    const part = async (name: 'key' | 'value') => {
      const subject = `${topic}-${name}`
      if (!subjects.includes(subject)) return { part: name, subject, latest: null, versions: 0, compatibility: null }
      const [latest, info] = await Promise.all([versionOf(asked, subject, 'latest'), infoOf(asked, subject)])
      return { part: name, subject, latest, versions: info.versions.length, compatibility: info.compatibility }
    }
    const parts = await Promise.all([part('key'), part('value')])
    const isOther = (name: string) => name.startsWith(`${topic}-`) && parts.every(each => each.subject !== name)
    return { parts, others: subjects.filter(isOther).slice(0, mostOthers) }
  },
})

export const schemaRoutes = [list, one, version, check, save, configure, remove, ofTopic] as const
