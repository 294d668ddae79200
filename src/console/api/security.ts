/** Who may do what: users, ACLs and what follows from them, quotas, and delegation tokens. */
import { type Static, Type } from 'typebox'
import { inSlices } from '../../base.ts'
import type { Acl, Client, QuotaEntity, QuotaEntityType } from '../../client.ts'
import { aclOperations, aclResourceTypes, ClientError } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { Confirmed, requireConfirmed } from '../confirmed.ts'
import { MaybeText, OfTopic, route } from '../route.ts'
import { decide, everybodyLike } from '../security/decide.ts'

const Name = Type.String({ minLength: 1, maxLength: 1_000 })
const Done = Type.Object({})
const Mechanism = Type.Union([Type.Literal('SCRAM-SHA-256'), Type.Literal('SCRAM-SHA-512')])

const users = route({
  method: 'GET',
  path: '/security/users',
  response: Type.Object({
    users: Type.Array(
      Type.Object({ user: Type.String(), credentials: Type.Array(Type.Object({ mechanism: Type.String(), iterations: Type.Integer() })) }),
    ),
  }),
  async handle({ client }) {
    return { users: await client.scramUsers() }
  },
})

const setUser = route({
  method: 'POST',
  path: '/security/users',
  changes: [],
  body: Type.Object({
    user: Name,
    password: Type.String({ minLength: 1, maxLength: 1_000 }),
    mechanism: Mechanism,
    iterations: Type.Optional(Type.Integer({ minimum: 4_096, maximum: 16_384 })),
  }),
  response: Done,
  audit: ({ body: { user, mechanism } }) => ({ user, mechanism }),
  async handle({ body: { iterations = 4_096, ...credential }, client }) {
    await client.setScramCredential({ ...credential, iterations })
    return {}
  },
})

const removeUser = route({
  method: 'DELETE',
  path: '/security/users/:user',
  changes: [],
  params: Type.Object({ user: Name }),
  query: Confirmed,
  response: Done,
  async handle({ params: { user }, query: { confirm }, client }) {
    requireConfirmed(confirm, user)
    const found = (await client.scramUsers([user])).find(each => each.user === user)
    for (const { mechanism } of found?.credentials ?? []) await client.deleteScramCredential(user, mechanism)
    return {}
  },
})

/** Kafka's names; the types of the client say which there are. */
const AclShape = Type.Object({
  resourceType: Type.Enum(aclResourceTypes as unknown as string[]),
  resourceName: Name,
  patternType: Type.Union([Type.Literal('LITERAL'), Type.Literal('PREFIXED')]),
  principal: Type.String({ pattern: '^[A-Za-z]+:.+$' }),
  host: Name,
  operation: Type.Enum(aclOperations as unknown as string[]),
  permission: Type.Union([Type.Literal('ALLOW'), Type.Literal('DENY')]),
})
const asAcl = (acl: Static<typeof AclShape>) => acl as Acl

const mostAcls = 10_000

const acls = route({
  method: 'GET',
  path: '/security/acls',
  /** `authorizer`, false: everybody may do everything. */
  response: Type.Object({ authorizer: Type.Boolean(), total: Type.Integer(), acls: Type.Array(AclShape) }),
  async handle({ client }) {
    const all = await unlessOff(client.acls({}))
    return { authorizer: all !== null, total: all?.length ?? 0, acls: all?.slice(0, mostAcls) ?? [] }
  },
})

/** That an ACL on a topic can be about. */
const ofTopics = ['READ', 'WRITE', 'DESCRIBE', 'DELETE', 'ALTER', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'] as const

const onTopic = route({
  method: 'GET',
  path: '/topics/:topic/access',
  params: OfTopic,
  response: Type.Object({
    /** false: everybody may do everything. */
    authorizer: Type.Boolean(),
    /** Those that touch the topic: by its name, by how it begins, or of all topics. */
    acls: Type.Array(AclShape),
    /** Whom they name, and super users, with what each may do from any host. */
    principals: Type.Array(
      Type.Object({ principal: Type.String(), allowed: Type.Array(Type.String()), denied: Type.Array(Type.String()) }),
    ),
    /** Who is in no row may do it, too, because no ACL is about the topic. */
    everybody: Type.Boolean(),
    /** null: you may not read the configuration of the brokers, where super users stand. */
    superUsers: Type.Union([Type.Array(Type.String()), Type.Null()]),
  }),
  async handle({ params: { topic }, client, shared: { turns } }) {
    const [found, broker] = await Promise.all([
      unlessOff(client.acls({ resourceType: 'TOPIC', resourceName: topic, patternType: 'MATCH' })),
      brokerSettings(client),
    ])
    const list = found ?? []
    const superUsers = broker?.superUsers ?? null
    const names = [...new Set([...(superUsers ?? []), ...list.map(each => each.principal)])].sort()
    const byPrincipal = Map.groupBy(list, each => each.principal)
    const principals = await inSlices(turns, names, principal => {
      // Those for others decide nothing, and are many.
      const own = [...new Set([principal, everybodyLike(principal)])].flatMap(name => byPrincipal.get(name) ?? [])
      const decided = ofTopics.map(operation => ({
        operation,
        ...decide({ principal, host: '*', resourceType: 'TOPIC', resourceName: topic, operation }, own, broker),
      }))
      const isDenied = ({ allowed, acls: deciding }: (typeof decided)[number]) =>
        !allowed && deciding.some(each => each.permission === 'DENY')
      return {
        principal,
        allowed: decided.filter(each => each.allowed).map(each => each.operation),
        denied: decided.filter(isDenied).map(each => each.operation),
      }
    })
    const everybody = broker?.allowWithoutAcl === true && list.length === 0
    return { authorizer: found !== null, acls: list, principals, everybody, superUsers }
  },
})

/** null: the brokers have no authorizer. */
async function unlessOff<T>(asking: Promise<T>): Promise<T | null> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof ClientError && error.code === 'SECURITY_DISABLED') return null
    throw error
  }
}

const addAcl = route({
  method: 'POST',
  path: '/security/acls',
  changes: ['topics', 'groups'],
  body: Type.Object({ acls: Type.Array(AclShape, { minItems: 1, maxItems: 100 }) }),
  response: Done,
  audit: ({ body }) => body,
  async handle({ body, client }) {
    await client.createAcls(body.acls.map(asAcl))
    return {}
  },
})

const removeAcl = route({
  method: 'DELETE',
  path: '/security/acls',
  changes: ['topics', 'groups'],
  query: AclShape,
  response: Type.Object({ removed: Type.Integer() }),
  async handle({ query, client }) {
    return { removed: (await client.deleteAcls([asAcl(query)])).length }
  },
})

const why = route({
  method: 'GET',
  path: '/security/why',
  query: Type.Object({
    principal: AclShape.properties.principal,
    host: Type.Optional(Name),
    resourceType: AclShape.properties.resourceType,
    resourceName: Name,
    operation: AclShape.properties.operation,
  }),
  response: Type.Object({ allowed: Type.Boolean(), reason: Type.String(), acls: Type.Array(AclShape) }),
  async handle({ query: { host = '*', ...asked }, client }) {
    const [all, broker] = await Promise.all([unlessOff(client.acls({})), brokerSettings(client)])
    const settings = all === null ? { superUsers: [], allowWithoutAcl: false, authorizer: false } : broker
    return decide({ ...asked, host } as Parameters<typeof decide>[0], all ?? [], settings)
  },
})

/** What else decides; unknown to who may not read the configuration of brokers. */
async function brokerSettings(client: Client) {
  try {
    const [broker] = (await client.cluster()).brokers
    const configs = await client.configs({ type: 'BROKER', name: String(broker!.id) })
    const value = (name: string) => configs.find(each => each.name === name)?.value ?? ''
    return {
      superUsers: value('super.users')
        .split(';')
        .filter(each => each !== ''),
      allowWithoutAcl: value('allow.everyone.if.no.acl.found') === 'true',
      authorizer: value('authorizer.class.name') !== '',
    }
  } catch {
    return null
  }
}

/** null: all that have none of their own. */
const MaybeName = Type.Optional(MaybeText)
const Entity = Type.Object({ user: MaybeName, 'client-id': MaybeName, ip: MaybeName }, { additionalProperties: false })

const quotas = route({
  method: 'GET',
  path: '/security/quotas',
  response: Type.Object({
    quotas: Type.Array(
      Type.Object({
        entity: Type.Record(Type.String(), MaybeText),
        values: Type.Record(Type.String(), Type.Number()),
      }),
    ),
  }),
  async handle({ client }) {
    const all = await client.quotas()
    return { quotas: all.map(({ entity, values }) => ({ entity: Object.fromEntries(entity), values: Object.fromEntries(values) })) }
  },
})

const setQuota = route({
  method: 'POST',
  path: '/security/quotas',
  changes: [],
  /** null: no quota of this kind any more. */
  body: Type.Object({ entity: Entity, values: Type.Record(Type.String(), Type.Union([Type.Number(), Type.Null()])) }),
  response: Done,
  audit: ({ body }) => body,
  async handle({ body: { entity, values }, client }) {
    const named: QuotaEntity = new Map(Object.entries(entity) as [QuotaEntityType, string | null][])
    await client.alterQuota(named, new Map(Object.entries(values)))
    return {}
  },
})

const Token = Type.Object({
  tokenId: Type.String(),
  owner: Type.String(),
  requester: Type.String(),
  renewers: Type.Array(Type.String()),
  /** Milliseconds since the epoch. */
  issued: Type.String(),
  expires: Type.String(),
  latest: Type.String(),
})

const tokens = route({
  method: 'GET',
  path: '/security/tokens',
  response: Type.Object({ tokens: Type.Array(Token) }),
  async handle({ client }) {
    const all = await client.tokens()
    return {
      tokens: all.map(({ tokenId, owner, requester, renewers, issuedMs, expiresMs, maxMs }) => ({
        ...{ tokenId, owner, requester, renewers },
        ...{ issued: String(issuedMs), expires: String(expiresMs), latest: String(maxMs) },
      })),
    }
  },
})

const createToken = route({
  method: 'POST',
  path: '/security/tokens',
  changes: [],
  body: Type.Object({ owner: Type.Optional(Name), renewers: Type.Array(Name, { maxItems: 100 }) }),
  /** The secret is told here and never again. */
  response: Type.Object({ tokenId: Type.String(), hmac: Type.String() }),
  audit: ({ body }) => body,
  async handle({ body: { owner, renewers }, client }) {
    const { tokenId, hmac } = await client.createToken({ renewers, ...(owner === undefined ? {} : { owner }) })
    return { tokenId, hmac }
  },
})

const expireToken = route({
  method: 'DELETE',
  path: '/security/tokens/:tokenId',
  changes: [],
  params: Type.Object({ tokenId: Name }),
  query: Confirmed,
  response: Done,
  async handle({ params: { tokenId }, query: { confirm }, client }) {
    requireConfirmed(confirm, tokenId)
    const token = (await client.tokens()).find(each => each.tokenId === tokenId)
    if (token === undefined) throw new HttpError(404, 404, `There is no token ${tokenId}, or you may not see it`)
    await client.expireToken(token.hmac)
    return {}
  },
})

export const securityRoutes = [
  ...([users, setUser, removeUser] as const),
  ...([acls, onTopic, addAcl, removeAcl, why] as const),
  ...([quotas, setQuota] as const),
  ...([tokens, createToken, expireToken] as const),
] as const
