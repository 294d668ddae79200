/** `/schemas`: all of them, by id, by guid, and their types. */
import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { later, type MaybePromise } from '../../base.ts'
import { errors } from '../errors.ts'
import { typeNames } from '../schema.ts'
import type { Version } from '../state.ts'
import { contextOf, parseSubject, prefixOf, printSubject } from '../subject.ts'
import {
  flag,
  identityOf,
  idOf,
  page,
  pageInPieces,
  params,
  prefixIn,
  printById,
  printVersion,
  query,
  type Registry,
  type Routes,
  subjectIn,
} from './common.ts'
import { formatted, withReferences } from './formats.ts'

const byId = Type.Object({ subject: query.text, format: query.text, fetchMaxId: query.text, referenceFormat: query.text })
const listing = Type.Object({ subject: query.text, deleted: query.text, offset: query.text, limit: query.text })

export function schemaRoutes({ app, registry, prefix }: Routes): void {
  const { state, access, turns } = registry

  app.get(`${prefix}/schemas/types`, { schema: { params: params.none } }, () => typeNames)

  app.get(
    `${prefix}/schemas`,
    {
      schema: {
        params: params.none,
        querystring: Type.Object({
          subjectPrefix: query.text,
          aliases: query.text,
          deleted: query.text,
          latestOnly: query.text,
          ruleType: query.text,
          offset: query.text,
          limit: query.text,
        }),
      },
    },
    async (request, reply) => {
      const { subjectPrefix = '', deleted, latestOnly, ruleType = '', aliases, ...paging } = request.query
      const { ctx } = request.params
      const within = ctx === undefined || subjectPrefix.startsWith(':') ? subjectPrefix : prefixIn(ctx) + subjectPrefix
      const others = flag(aliases) ? state.aliases(within) : new Map<string, string[]>()
      const named = state.subjects(within, 'with')
      const wanted = others.size === 0 ? named : [...new Set([...named, ...others.keys()])].sort()
      const names = await access.readable(identityOf(request), wanted)
      const which = flag(deleted) ? 'with' : 'without'
      const versions = function* () {
        for (const name of names) {
          const all = state.versions(name, which)
          for (const each of flag(latestOnly) ? all.slice(-1) : all) if (ruleType === '' || hasRule(each, ruleType)) yield each
        }
      }
      const print = (each: Version) => {
        const own = others.get(each.subject)
        return own === undefined ? printVersion(each) : { ...printVersion(each), aliases: own }
      }
      return reply.send(Readable.from(pageInPieces(turns, versions(), paging, print)))
    },
  )

  idRoutes({ app, registry, prefix })
  guidRoutes({ app, registry, prefix })
}

function idRoutes({ app, registry, prefix }: Routes): void {
  const { state, access, prepared } = registry

  app.get(`${prefix}/schemas/ids/:id`, { schema: { params: params.id, querystring: byId } }, request => {
    const { subject, format, fetchMaxId, referenceFormat } = request.query
    const named = subject !== undefined
    const print = async (found: Version) => {
      const shown = await formatted(registry, found, format)
      const most = flag(fetchMaxId) ? { maxId: state.maxId(contextOf(found.subject)) } : {}
      return printById(withReferences(found, referenceFormat), { named, shown, ...most })
    }
    const isPlain = format === undefined && referenceFormat === undefined && fetchMaxId === undefined
    return later(findById(registry, request, request.params, subject), found =>
      isPlain ? (named ? prepared.byNamedId : prepared.byId).of(found) : print(found),
    )
  })

  app.get(`${prefix}/schemas/ids/:id/schema`, { schema: { params: params.id, querystring: byId } }, async (request, reply) => {
    const found = await findById(registry, request, request.params, request.query.subject)
    reply.serializer((body: unknown) => body as string)
    return await formatted(registry, found, request.query.format)
  })

  const all = async (request: FastifyRequest, { ctx, id }: { ctx?: string; id: string }, subject: string | undefined, deleted: boolean) => {
    const found = await findById(registry, request, ctx === undefined ? { id } : { ctx, id }, subject)
    const same = state.withId(contextOf(found.subject), found.id).filter(each => deleted || !each.deleted)
    const readable = new Set(
      await access.readable(
        identityOf(request),
        same.map(each => each.subject),
      ),
    )
    return same.filter(each => readable.has(each.subject))
  }

  app.get(`${prefix}/schemas/ids/:id/subjects`, { schema: { params: params.id, querystring: listing } }, async request => {
    const { subject, deleted, ...paging } = request.query
    return page(
      (await all(request, request.params, subject, flag(deleted))).map(each => each.subject),
      paging,
    )
  })

  app.get(`${prefix}/schemas/ids/:id/versions`, { schema: { params: params.id, querystring: listing } }, async request => {
    const { subject, deleted, ...paging } = request.query
    const found = await all(request, request.params, subject, flag(deleted))
    return page(
      found.map(each => ({ subject: each.subject, version: each.version })),
      paging,
    )
  })
}

const guidParams = Type.Object({ ctx: query.text, guid: Type.String() })

function guidRoutes({ app, registry, prefix }: Routes): void {
  const { state, access } = registry
  const ids = (guid: string) =>
    state.contexts.flatMap(context => {
      const id = state.idOf(context, guid.toLowerCase())
      return id === null ? [] : [{ context, id }]
    })

  app.get(
    `${prefix}/schemas/guids/:guid`,
    { schema: { params: guidParams, querystring: Type.Object({ format: query.text }) } },
    async request => {
      const { guid } = request.params
      const [first] = ids(guid)
      if (first === undefined) throw errors.schemaNotFound(guid)
      const found = await firstReadable(registry, request, state.withId(first.context, first.id), guid)
      return printById(found, { named: false, shown: await formatted(registry, found, request.query.format) })
    },
  )

  app.get(`${prefix}/schemas/guids/:guid/ids`, { schema: { params: guidParams } }, async request => {
    const readable = await Promise.all(
      ids(request.params.guid).map(async each => {
        const subjects = state.withId(each.context, each.id).map(({ subject }) => subject)
        return (await access.readable(identityOf(request), subjects)).length > 0 ? [each] : []
      }),
    )
    return readable.flat()
  })
}

/** An id is one of the context; if a subject without context is named, of any context in which that subject has it. */
function findById(
  registry: Registry,
  request: FastifyRequest,
  { ctx, id: value }: { ctx?: string; id: string },
  asked: string | undefined,
): MaybePromise<Version> {
  const { state, access } = registry
  const id = idOf(value)
  const subject = state.resolveAlias(subjectIn(ctx, asked ?? ''))
  const { context, name } = parseSubject(subject)
  const exact = state.byId(id, subject)
  if (exact !== null && name !== '') return firstReadable(registry, request, [exact], id)
  if (name !== '' && context === '.')
    for (const each of state.contexts) {
      const found = state.byId(id, printSubject({ context: each, name }))
      if (found !== null) return firstReadable(registry, request, [found], id)
    }
  // Whoever wrote a record may have named its subject in another way.
  const anyOfContext = state.byId(id, prefixOf(context))
  if (anyOfContext === null || (name !== '' && context !== '.')) throw errors.schemaNotFound(id)
  // Many subjects may have it, and mostly the first may be read.
  return later(access.readable(identityOf(request), [anyOfContext.subject]), ({ length }) =>
    length > 0 ? anyOfContext : firstReadable(registry, request, state.withId(context, id), id),
  )
}

function firstReadable(
  { access }: Registry,
  request: FastifyRequest,
  versions: readonly Version[],
  id: number | string,
): MaybePromise<Version> {
  const who = identityOf(request)
  const subjects = versions.map(each => each.subject)
  return later(access.readable(who, subjects), readable => {
    const found = versions.find(each => readable.includes(each.subject))
    if (found === undefined) throw errors.denied(who.principal, `read schema ${id}`)
    return found
  })
}

function hasRule({ ruleSet }: Version, type: string): boolean {
  if (ruleSet === null) return false
  return [...ruleSet.migrationRules, ...ruleSet.domainRules, ...ruleSet.encodingRules].some(rule => rule.type === type)
}
