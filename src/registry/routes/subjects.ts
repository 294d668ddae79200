/** `/subjects`: their names, looking up a schema, deleting. */
import { Type } from 'typebox'
import { errors } from '../errors.ts'
import { parseSubject } from '../subject.ts'
import { readSchemaRequest } from './bodies.ts'
import {
  change,
  decided,
  flag,
  identityOf,
  page,
  params,
  prefixIn,
  printVersion,
  query,
  type Routes,
  requireValid,
  subjectOf,
} from './common.ts'
import { formatted } from './formats.ts'

export function subjectRoutes({ app, registry, prefix }: Routes): void {
  const { state, access } = registry

  app.get(
    `${prefix}/subjects`,
    {
      schema: {
        params: params.none,
        querystring: Type.Object({
          subjectPrefix: query.text,
          deleted: query.text,
          deletedOnly: query.text,
          offset: query.text,
          limit: query.text,
        }),
        response: { 200: Type.Array(Type.String()) },
      },
    },
    async request => {
      const { subjectPrefix, deleted, deletedOnly, ...paging } = request.query
      const { ctx } = request.params
      const wanted = subjectPrefix ?? (ctx === undefined ? ':*:' : '')
      const within = ctx === undefined ? wanted : wanted.startsWith(':') ? wanted : prefixIn(ctx) + wanted
      const found = state.subjects(within, flag(deletedOnly) ? 'only' : flag(deleted) ? 'with' : 'without')
      return page(await access.readable(identityOf(request), found), paging)
    },
  )

  app.post(
    `${prefix}/subjects/:subject`,
    {
      schema: {
        params: params.subject,
        querystring: Type.Object({ normalize: query.text, deleted: query.text, format: query.text }),
        body: Type.Optional(Type.Unknown()),
      },
    },
    async request => {
      const { normalize, deleted, format } = request.query
      const subject = subjectOf(registry, request.params)
      await access.requireRead(identityOf(request), subject)
      const asked = readSchemaRequest(request.body)
      const options = { normalize: flag(normalize), deleted: flag(deleted) }
      const found = await decided(registry, decisions => decisions.lookUpAnywhere(subject, asked, options))
      if (found !== null) return printVersion(found, await formatted(registry, found, format))
      throw state.has(subject, flag(deleted) ? 'with' : 'without') ? errors.schemaNotFound(null) : errors.subjectNotFound(subject)
    },
  )

  app.delete(
    `${prefix}/subjects/:subject`,
    { schema: { params: params.subject, querystring: Type.Object({ permanent: query.text }) } },
    async (request, reply) => {
      const subject = subjectOf(registry, request.params)
      requireValid(subject)
      if (parseSubject(subject).context === '*') throw errors.invalidSubject(subject)
      await access.requireWrite(identityOf(request), subject)
      const permanent = flag(request.query.permanent)
      return change(registry, request, reply, decisions => decisions.deleteSubject(subject, permanent))
    },
  )

  latestByMetadata({ app, registry, prefix })
}

function latestByMetadata({ app, registry, prefix }: Routes): void {
  const { state, access } = registry

  app.get(
    `${prefix}/subjects/:subject/metadata`,
    {
      schema: {
        params: params.subject,
        querystring: Type.Object({ key: query.texts, value: query.texts, deleted: query.text, format: query.text }),
      },
    },
    async request => {
      const { key, value, deleted, format } = request.query
      const subject = subjectOf(registry, request.params)
      await access.requireRead(identityOf(request), subject)
      const [keys, values] = [listOf(key), listOf(value)]
      const wanted = keys.slice(0, values.length).map((each, index) => [each, values[index]!] as const)
      const which = flag(deleted) ? 'with' : 'without'
      const found = state
        .versions(subject, which)
        .findLast(({ metadata }) =>
          wanted.every(
            ([name, text]) => metadata !== null && Object.hasOwn(metadata.properties, name) && metadata.properties[name] === text,
          ),
        )
      if (found !== undefined) return printVersion(found, await formatted(registry, found, format))
      throw state.has(subject, which) ? errors.schemaNotFound(null) : errors.subjectNotFound(subject)
    },
  )
}

function listOf(value: string | string[] | undefined): string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value
}
