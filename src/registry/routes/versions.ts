/** `/subjects/{subject}/versions`: registering, reading and deleting versions. */
import { Type } from 'typebox'
import { later } from '../../base.ts'
import type { Registered } from '../decide.ts'
import { errors } from '../errors.ts'
import { printContent } from '../records.ts'
import type { Deleted, Version } from '../state.ts'
import { readSchemaRequest } from './bodies.ts'
import {
  change,
  decided,
  flag,
  identityOf,
  page,
  params,
  printVersion,
  query,
  type Routes,
  requireValid,
  subjectOf,
  versionOf,
} from './common.ts'
import { formatted, withReferences } from './formats.ts'

export function versionRoutes(routes: Routes): void {
  const { app, registry, prefix } = routes
  const { state, access } = registry
  const path = `${prefix}/subjects/:subject/versions`

  app.get(
    path,
    {
      schema: {
        params: params.subject,
        querystring: Type.Object({
          deleted: query.text,
          deletedOnly: query.text,
          deletedAsNegative: query.text,
          offset: query.text,
          limit: query.text,
        }),
        response: { 200: Type.Array(Type.Integer()) },
      },
    },
    request => {
      const { deleted, deletedOnly, deletedAsNegative, ...paging } = request.query
      const subject = subjectOf(registry, request.params)
      return later(access.requireRead(identityOf(request), subject), () => {
        if (!state.has(subject, flag(deleted) || flag(deletedOnly) ? 'with' : 'without')) throw errors.subjectNotFound(subject)
        const which: Deleted = flag(deletedAsNegative) ? 'with' : flag(deletedOnly) ? 'only' : flag(deleted) ? 'with' : 'without'
        const negative = flag(deletedAsNegative)
        return page(
          state.versions(subject, which).map(each => (negative && each.deleted ? -each.version : each.version)),
          paging,
        )
      })
    },
  )

  app.post(
    path,
    {
      schema: {
        params: params.subject,
        querystring: Type.Object({ normalize: query.text, force: query.text, format: query.text }),
        body: Type.Optional(Type.Unknown()),
      },
    },
    async (request, reply) => {
      const { normalize, force, format } = request.query
      const subject = subjectOf(registry, request.params)
      requireValid(subject)
      await access.requireWrite(identityOf(request), subject)
      const asked = readSchemaRequest(request.body)
      const known = await decided(registry, decisions => decisions.alreadyRegistered(subject, asked, flag(normalize)))
      if (known !== null) return printRegistered(known, await formatted(registry, known, format))
      const options = { normalize: flag(normalize), force: flag(force) }
      return change(registry, request, reply, decisions => decisions.register(subject, asked, options), printRegistered)
    },
  )

  app.delete(
    `${path}/:version`,
    { schema: { params: params.version, querystring: Type.Object({ permanent: query.text }) } },
    async (request, reply) => {
      const subject = subjectOf(registry, request.params)
      requireValid(subject)
      await access.requireWrite(identityOf(request), subject)
      const [number, permanent] = [versionOf(request.params.version), flag(request.query.permanent)]
      return change(registry, request, reply, decisions => decisions.deleteVersion(subject, number, permanent))
    },
  )

  readingRoutes(routes)
}

function readingRoutes({ app, registry, prefix }: Routes): void {
  const { state, access, prepared } = registry
  const path = `${prefix}/subjects/:subject/versions/:version`
  const find = (subject: string, value: string, deleted: boolean): Version => {
    const number = versionOf(value)
    const found = state.versionAnywhere(subject, number, deleted ? 'with' : 'without')
    if (found !== null) return found
    throw state.has(subject, deleted ? 'with' : 'without') ? errors.versionNotFound(number) : errors.subjectNotFound(subject)
  }
  const querystring = Type.Object({ deleted: query.text, format: query.text, referenceFormat: query.text })

  app.get(path, { schema: { params: params.version, querystring } }, request => {
    const { deleted, format, referenceFormat } = request.query
    const subject = subjectOf(registry, request.params)
    const print = async (found: Version) => printVersion(withReferences(found, referenceFormat), await formatted(registry, found, format))
    return later(access.requireRead(identityOf(request), subject), () => {
      const found = find(subject, request.params.version, flag(deleted))
      return format === undefined && referenceFormat === undefined ? prepared.byVersion.of(found) : print(found)
    })
  })

  app.get(`${path}/schema`, { schema: { params: params.version, querystring } }, async (request, reply) => {
    const subject = subjectOf(registry, request.params)
    await access.requireRead(identityOf(request), subject)
    reply.serializer((body: unknown) => body as string)
    return await formatted(registry, find(subject, request.params.version, flag(request.query.deleted)), request.query.format)
  })

  app.get(
    `${path}/referencedby`,
    { schema: { params: params.version, querystring: Type.Object({ deleted: query.text, offset: query.text, limit: query.text }) } },
    async request => {
      const { deleted, ...paging } = request.query
      const subject = subjectOf(registry, request.params)
      await access.requireRead(identityOf(request), subject)
      const found = find(subject, request.params.version, true)
      const referrers = state.referrers(found.subject, found.version, flag(deleted) ? 'with' : 'without')
      return page(
        referrers.map(({ id }) => id),
        paging,
      )
    },
  )
}

function printRegistered(registered: Registered, shown: string = registered.text): object {
  const { id, version, guid } = registered
  return { id, version, guid, ...printContent({ ...registered, text: shown }) }
}
