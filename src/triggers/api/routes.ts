/** The API of triggers: create, list, show, change, delete, versions, roll-back, test, logs, metrics, and filters. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { stringifyLossless, Turns } from '../../base.ts'
import type { Client } from '../../client.ts'
import { compileEventPattern, longestPattern } from '../../expr.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import { fromSample, Samples } from '../../samples.ts'
import type { Identity, Sessions } from '../../sessions.ts'
import { parseDefinition } from '../check.ts'
import { type Definition, Filter } from '../definition.ts'
import { clientOf } from '../principal.ts'
import { withKnownSecrets, withoutQuery, withoutSecrets } from '../secrets.ts'
import type { TriggerStore, Version } from '../store.ts'
import type { FunctionTests, TestResult } from '../try.ts'
import type { Worker, WorkerContext } from '../worker/worker.ts'
import { readable, requireAccess, requireHere, requireToRun } from './access.ts'
import { readLogs } from './read-logs.ts'
import { eventWith, madeUp, verdicts } from './samples.ts'
import { TestsAtOnce } from './tests-at-once.ts'

export interface TriggersApi {
  readonly app: HttpApp
  readonly sessions: Sessions
  readonly store: TriggerStore
  readonly worker: Worker
  readonly context: WorkerContext
  readonly tests: FunctionTests
}

const Name = Type.String({ minLength: 1, maxLength: 100 })
const OfName = Type.Object({ name: Name })
const VersionNumber = Type.Integer({ minimum: 1 })
const OfVersion = Type.Object({ name: Name, version: VersionNumber })
const AnyObject = Type.Record(Type.String(), Type.Unknown())
const TestOrder = Type.Object({
  version: Type.Optional(VersionNumber),
  event: Type.Optional(Type.Unknown({ description: 'As the function gets it; by default one is made up' })),
  definition: Type.Optional(AnyObject),
  records: Type.Optional(Samples),
})
const mostRows = 1_000
const mostFiltered = 20

type Asking = FastifyRequest & { identity: Identity }

export function triggerRoutes(api: TriggersApi): void {
  const { app, sessions } = api
  app.addHook('onRequest', async request => {
    Object.assign(request, { identity: await sessions.identify(request.headers.authorization, request.ip) })
  })
  readRoutes(api)
  changeRoutes(api)
  callRoutes(api)
}

function readRoutes(api: TriggersApi): void {
  const { app, store, context } = api
  const page = Type.Object({
    from: Type.Optional(Type.Integer({ minimum: 0 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostRows })),
    search: Type.Optional(Type.String({ maxLength: 100 })),
  })
  app.get('/triggers', { schema: { querystring: page } }, async request => {
    const { from = 0, limit = 100, search = '' } = request.query
    const names = store.names().filter(name => name.includes(search))
    return { total: names.length, triggers: await rowsOf(api, request, names.slice(from, from + limit)) }
  })
  app.get('/triggers/:name', { schema: { params: OfName } }, async request => {
    const version = requireTrigger(api, request.params.name)
    await allow(api, request, version)
    return shown(api, version)
  })
  app.get('/triggers/:name/versions', { schema: { params: OfName } }, async request => {
    const { name } = request.params
    await allow(api, request, requireTrigger(api, name))
    return { versions: store.versions(name).map(({ version, by, at, restores }) => ({ version, by, at, restores })) }
  })
  app.get('/triggers/:name/versions/:version', { schema: { params: OfVersion } }, async request => {
    const version = requireVersion(api, request.params)
    await allow(api, request, version)
    return plain(version)
  })
  const logQuery = Type.Object({
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: mostRows })),
    after: Type.Optional(Type.String({ pattern: '^\\d{1,19}$', description: '`next` of the answer before: what came since' })),
    waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 30_000, description: 'How long to wait for a first line' })),
  })
  app.get('/triggers/:name/logs', { schema: { params: OfName, querystring: logQuery } }, async request => {
    const trigger = requireTrigger(api, request.params.name)
    await allow(api, request, trigger)
    const { limit = 100, after, waitMs = 0 } = request.query
    const mayRead = await readableVersions(api, request, trigger)
    await context.logs.flush()
    const wanted = { limit, after: after === undefined ? null : BigInt(after), waitMs, mayRead }
    return readLogs(context.client, trigger, { ...wanted, system: context.system })
  })
  app.get('/metrics', (_, reply) => {
    const text = context.metrics.text(store.names().map(name => ({ name, ...nowOf(api, requireTrigger(api, name)) })))
    return reply.header('content-type', 'text/plain; version=0.0.4; charset=utf-8').serializer(String).send(text)
  })
}

function changeRoutes(api: TriggersApi): void {
  const { app, store } = api
  app.post('/triggers', { schema: { body: Type.Object({ name: Name }, { additionalProperties: true }) } }, async (request, reply) => {
    const { name, ...given } = request.body as { name: string }
    if (store.get(name) !== null) throw new HttpError(409, 409, `there is a trigger ${name} already`)
    const made = await put(api, request, name, given, store.newest(name))
    return created(reply, api, made)
  })
  app.put('/triggers/:name', { schema: { params: OfName, body: AnyObject } }, async (request, reply) => {
    const { name } = request.params
    const before = store.get(name)
    if (before !== null) await allowChange(api, request, requireTrigger(api, name))
    const made = await put(api, request, name, request.body)
    return before === null ? created(reply, api, made) : shown(api, made)
  })
  // Fields that are given replace those that are there; null takes the default.
  app.patch('/triggers/:name', { schema: { params: OfName, body: AnyObject } }, async request => {
    const { name } = request.params
    const before = requireTrigger(api, name)
    await allowChange(api, request, before)
    const merged = Object.fromEntries(Object.entries({ ...before.definition, ...request.body }).filter(([, value]) => value !== null))
    return shown(api, await put(api, request, name, merged, before))
  })
  app.delete('/triggers/:name', { schema: { params: OfName } }, async (request, reply) => {
    const before = requireTrigger(api, request.params.name)
    await allowChange(api, request, before)
    await store.delete(before.name, principalOf(request))
    return reply.code(204).send()
  })
  const body = Type.Object({ version: Type.Optional(VersionNumber) })
  app.post('/triggers/:name/rollback', { schema: { params: OfName, body } }, async request => {
    const { name } = request.params
    const before = requireTrigger(api, name)
    await allowChange(api, request, before)
    const version = requireVersion(api, { name, version: request.body.version ?? before.version - 1 })
    // A trigger that is paused stays so.
    const definition = { ...version.definition!, enabled: before.definition!.enabled }
    // Who brings it back makes it anew.
    await allowDefinition(api, request, name, definition)
    return shown(api, await store.put(name, definition, principalOf(request), version.version))
  })
}

function callRoutes(api: TriggersApi): void {
  const { app, context } = api
  const testsAtOnce = new TestsAtOnce()
  app.post('/triggers/:name/test', { schema: { params: OfName, body: TestOrder } }, request =>
    testsAtOnce.run(principalOf(request), () => test(api, request, request.params.name, request.body)),
  )
  // The filter of a trigger, over records that whoever asks has read.
  const sampled = Type.Object({ filter: Filter, records: Type.Array(Samples.items, { maxItems: mostFiltered }) })
  const turns = new Turns(context.system)
  app.post('/filter/records', { schema: { body: sampled } }, async request => {
    const { filter, records } = request.body
    return { records: await verdicts(filter, records.map(fromSample), { clock: context.system.clock, turns }) }
  })
  const filter = Type.Object({ pattern: Type.Unknown(), event: Type.Unknown() })
  app.post('/filter', { schema: { body: filter } }, async request => {
    const { pattern, event } = request.body
    const { length } = typeof pattern === 'string' ? pattern : stringifyLossless(pattern)
    if (length > longestPattern) throw new HttpError(400, 400, `the pattern has more than ${longestPattern} characters`)
    return { matches: compileEventPattern(pattern).matches(event) }
  })
}

async function test(
  api: TriggersApi,
  request: FastifyRequest,
  name: string,
  { version, event, definition: given, records }: Static<typeof TestOrder>,
): Promise<TestResult> {
  const { store, context, tests } = api
  let definition: Definition
  // What is being written may be tried before it is a trigger.
  if (given !== undefined) {
    const before = store.newest(name)
    // Its secrets are known to the draft, but not to other code than they were given to: that leaves no version behind, and so nobody would see it.
    if (before !== null) await allowChange(api, request, before)
    definition = await parse(api, name, given, await mayAlter(api, request))
    await allowDefinition(api, request, name, definition)
  } else {
    const found = version === undefined ? requireTrigger(api, name) : requireVersion(api, { name, version })
    await allowChange(api, request, found)
    definition = found.definition!
  }
  if (event !== undefined) return tests.run(name, definition, stringifyLossless(event))
  const isGiven = records !== undefined && records.length > 0
  const samples = isGiven ? records.map(fromSample) : [madeUp(definition.topics?.[0] ?? name, context.system.clock)]
  return tests.run(name, definition, eventWith(definition, samples, context))
}

/** `after`: as for the store. */
async function put(api: TriggersApi, request: FastifyRequest, name: string, given: unknown, after?: Version | null): Promise<Version> {
  const { store, tests, context } = api
  const definition = await parse(api, name, given)
  await allowDefinition(api, request, name, definition)
  // A file that cannot even be loaded is refused now, and not at the first record.
  await tests.load(name, definition)
  const before = store.get(name)
  const made = await store.put(name, definition, principalOf(request), null, after)
  // The version says who has made it, and not who has paused it.
  if (before !== null && before.definition.enabled !== definition.enabled)
    context.logs.write(made, 'system', `${principalOf(request)} has ${definition.enabled ? 'resumed' : 'paused'} the trigger`)
  return made
}

/** `mayChange`: whether other code gets the secrets of the trigger. */
async function parse({ store, context }: TriggersApi, name: string, given: unknown, mayChange = true): Promise<Definition> {
  const before = store.get(name)
  const filled = before === null ? given : await withKnownSecrets(given, before.definition, mayChange)
  return parseDefinition(name, filled, context.system.clock)
}

function created(reply: FastifyReply, api: TriggersApi, made: Version): unknown {
  reply.code(201).header('location', `/triggers/${encodeURIComponent(made.name)}`)
  return shown(api, made)
}

function principalOf(request: FastifyRequest): string {
  return (request as Asking).identity.principal
}

/** Whether who asks may ALTER the cluster, or nobody is asked who they are. */
async function mayAlter({ sessions }: TriggersApi, request: FastifyRequest): Promise<boolean> {
  return !sessions.needsLogin || (await sessions.clientOf((request as Asking).identity).clusterRights()).has('ALTER')
}

/** As `allow`, of what also runs the function, or ends it. */
async function allowChange(api: TriggersApi, request: FastifyRequest, version: Version): Promise<void> {
  const { sessions } = api
  if (sessions.needsLogin) await requireToRun(sessions.clientOf((request as Asking).identity))
  await allow(api, request, version)
}

/** Whether who asks may see this trigger: whoever could do what it does, and may they ALTER the cluster, also if nobody could any more. */
async function allow(api: TriggersApi, request: FastifyRequest, { name, definition }: Version): Promise<void> {
  if (definition !== null && !(await mayAlter(api, request))) await requireMaker(api, request, name, definition)
}

/** That who asks could do what this trigger does. */
async function requireMaker(api: TriggersApi, request: FastifyRequest, name: string, definition: Definition): Promise<void> {
  const { identity } = request as Asking
  const client = api.sessions.clientOf(identity)
  if (definition.principal === null) await requireAccess(client, name, definition)
  else await requireUse(api.context, definition.principal, identity, client)
}

/** Whether who asks may make such a trigger, and who it acts as may do what it does. */
async function allowDefinition(api: TriggersApi, request: FastifyRequest, name: string, definition: Definition): Promise<void> {
  const { sessions, context } = api
  const { principal } = definition
  if (sessions.needsLogin) {
    const { identity } = request as Asking
    const client = sessions.clientOf(identity)
    await requireToRun(client)
    await requireHere(client, definition)
    if (principal === null) return requireAccess(client, name, definition)
    await requireUse(context, principal, identity, client)
  }
  if (principal === null) return
  const acting = await clientOf(principal, { ...context, own: context.client })
  try {
    await requireAccess(acting.client, name, definition)
  } finally {
    await acting.close()
  }
}

async function requireUse({ acting }: WorkerContext, principal: string, identity: Identity, client: Client): Promise<void> {
  if (await acting.mayUse(principal, identity, client)) return
  throw new HttpError(403, 403, `to have a trigger act as ${principal} takes the right ALTER on the cluster`)
}

function requireTrigger({ store }: TriggersApi, name: string): Version {
  const newest = store.newest(name)
  if (newest?.definition == null) throw new HttpError(404, 404, `there is no trigger ${name}`)
  return newest
}

function requireVersion(api: TriggersApi, { name, version }: { name: string; version: number }): Version {
  requireTrigger(api, name)
  const found = api.store.versions(name).filter(each => each.definition !== null)
  const wanted = found.find(each => each.version === version)
  if (wanted !== undefined) return wanted
  const there = found.map(each => each.version).reverse()
  throw new HttpError(404, 404, `the trigger ${name} has no version ${version}, only ${there.join(', ')}`)
}

async function plain({ name, version, by, at, restores, definition }: Version) {
  return { name, version, by, at, restores, definition: definition === null ? null : await withoutSecrets(definition) }
}

/** In this process. */
function nowOf({ worker }: TriggersApi, { name, definition }: Version) {
  const run = worker.run(name)
  return { state: definition?.enabled === false ? 'PAUSED' : (run?.state ?? 'STARTING'), ageMs: run?.ageMs ?? 0 }
}

function statusOf(api: TriggersApi, version: Version) {
  const run = api.worker.run(version.name)
  return {
    ...nowOf(api, version),
    reason: run?.reason ?? null,
    /** That this worker reads. */
    partitions: run?.partitions ?? [],
    ...api.context.metrics.of(version.name),
  }
}

async function shown(api: TriggersApi, version: Version) {
  return { ...(await plain(version)), status: statusOf(api, version) }
}

/** That there is a trigger, and how it does, is no secret. */
async function rowsOf(api: TriggersApi, request: FastifyRequest, names: readonly string[]) {
  const versions = names.map(name => requireTrigger(api, name))
  const rows = versions.map(version => rowOf(api, version))
  if (await mayAlter(api, request)) return rows
  const client = api.sessions.clientOf((request as Asking).identity)
  // One request for all of them.
  const mayRead = await readable(client, [...new Set(versions.flatMap(({ definition }) => definition!.topics ?? []))])
  for (const [at, row] of rows.entries()) {
    const { topics } = versions[at]!.definition!
    if (topics === undefined || !topics.every(topic => mayRead.has(topic))) rows[at] = { ...row, topics: [], reason: null }
    // Few have one.
    else if (row.reason !== null && !(await isMaker(api, request, versions[at]!))) rows[at] = { ...row, reason: null }
  }
  return rows
}

async function isMaker(api: TriggersApi, request: FastifyRequest, { name, definition }: Version): Promise<boolean> {
  try {
    await requireMaker(api, request, name, definition!)
    return true
  } catch (error) {
    if (error instanceof HttpError && error.status === 403) return false
    throw error
  }
}

/** Of which versions who asks may read the logs: an earlier one may have written what is in topics that this one does not read. */
async function readableVersions(api: TriggersApi, request: FastifyRequest, { name }: Version): Promise<(version: number) => boolean> {
  if (await mayAlter(api, request)) return () => true
  const known = api.store.versions(name).filter(({ definition }) => definition !== null)
  // Most differ in their code only.
  const rightsOf = ({ definition }: Version) => {
    const { topics, topicPattern, group, principal, output, onFailure } = definition!
    return JSON.stringify([topics, topicPattern, group, principal, output, onFailure])
  }
  const readable = new Set<number>()
  for (const alike of Map.groupBy(known, rightsOf).values())
    if (await isMaker(api, request, alike[0]!)) for (const { version } of alike) readable.add(version)
  return version => readable.has(version)
}

function rowOf(api: TriggersApi, version: Version) {
  const { name } = version
  const { topics, topicPattern, envelope, enabled, function: called } = version.definition!
  const { state, reason, calls, errors, givenUp, seconds, throttles, records, ageMs } = statusOf(api, version)
  const kind = 'url' in called ? withoutQuery(called.url) : called.language
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
  return {
    name,
    version: version.version,
    enabled,
    state,
    topics: topics ?? [topicPattern!],
    envelope,
    function: kind,
    reason,
    calls,
    errors: failed,
    givenUp,
    /** In the function. */
    seconds,
    throttles,
    records,
    ageMs,
  }
}
