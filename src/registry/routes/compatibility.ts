/** `/compatibility`: whether a schema could be registered. */
import { Type } from 'typebox'
import { HttpError } from '../../http.ts'
import { errors } from '../errors.ts'
import type { Version } from '../state.ts'
import { readSchemaRequest } from './bodies.ts'
import { decided, flag, identityOf, params, query, type Routes, subjectOf, versionOf } from './common.ts'

const querystring = Type.Object({ normalize: query.text, verbose: query.text })
const body = Type.Optional(Type.Unknown())

export function compatibilityRoutes({ app, registry, prefix }: Routes): void {
  const { state, access } = registry
  const check = async (
    subject: string,
    asked: unknown,
    earlier: readonly Version[],
    { normalize, verbose }: { normalize?: string; verbose?: string },
  ) => {
    const print = (reasons: readonly string[]) => ({ is_compatible: reasons.length === 0, ...(flag(verbose) ? { messages: reasons } : {}) })
    try {
      const schema = readSchemaRequest(asked)
      return print(await decided(registry, decisions => decisions.incompatibilities(subject, schema, earlier, flag(normalize))))
    } catch (error) {
      if (flag(verbose) && error instanceof HttpError && error.code === 42_201) return print([error.message])
      throw error
    }
  }

  app.post(
    `${prefix}/compatibility/subjects/:subject/versions`,
    { schema: { params: params.subject, querystring, body } },
    async request => {
      const subject = subjectOf(registry, request.params)
      await access.requireRead(identityOf(request), subject)
      return check(subject, request.body, state.versions(subject, 'without').toReversed(), request.query)
    },
  )

  app.post(
    `${prefix}/compatibility/subjects/:subject/versions/:version`,
    { schema: { params: params.version, querystring, body } },
    async request => {
      const subject = subjectOf(registry, request.params)
      await access.requireRead(identityOf(request), subject)
      const number = versionOf(request.params.version)
      const earlier = state.version(subject, number, 'without')
      if (earlier === null && number !== -1) throw errors.versionNotFound(number)
      return check(subject, request.body, earlier === null ? [] : [earlier], request.query)
    },
  )
}
