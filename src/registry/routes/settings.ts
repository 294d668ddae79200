/** `/config` and `/mode`: of all subjects, of a context, or of one subject. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { printConfig, printUpdate } from '../config.ts'
import { errors } from '../errors.ts'
import { type Mode, modes } from '../records.ts'
import { parseSubject } from '../subject.ts'
import { readBody } from './bodies.ts'
import { change, flag, identityOf, params, prefixIn, query, type Registry, type Routes, requireValid, subjectIn } from './common.ts'

const reading = Type.Object({ defaultToGlobal: query.text })
const body = Type.Optional(Type.Unknown())

/** null: of all subjects, which is also what the default context means. */
function scopeOf(request: FastifyRequest): string | null {
  const { ctx, subject } = request.params as { ctx?: string; subject?: string }
  const scope = subject === undefined ? prefixIn(ctx) : subjectIn(ctx, subject)
  const { context, name } = parseSubject(scope)
  return context === '.' && name === '' ? null : scope
}

async function requireChange({ access }: Registry, request: FastifyRequest, scope: string | null): Promise<void> {
  if (scope !== null) requireValid(scope, true)
  await (scope === null ? access.requireAll(identityOf(request)) : access.requireWrite(identityOf(request), scope))
}

async function requireReading({ access }: Registry, request: FastifyRequest, scope: string | null): Promise<void> {
  if (scope !== null && parseSubject(scope).name !== '') await access.requireRead(identityOf(request), scope)
}

export function configRoutes({ app, registry, prefix }: Routes): void {
  const { state } = registry
  for (const [path, own] of [
    [`${prefix}/config`, params.none],
    [`${prefix}/config/:subject`, params.subject],
  ] as const) {
    app.get(path, { schema: { params: own, querystring: reading } }, async request => {
      const scope = scopeOf(request)
      await requireReading(registry, request, scope)
      const config = flag(request.query.defaultToGlobal) ? state.configInScope(scope) : state.config(scope)
      if (config === null) throw errors.noSubjectCompatibility(scope!)
      return printConfig(config)
    })

    app.put(path, { schema: { params: own, body } }, async (request, reply) => {
      const scope = scopeOf(request)
      await requireChange(registry, request, scope)
      const json = readBody(request.body)
      return change(registry, request, reply, decisions => decisions.putConfig(scope, json), printUpdate)
    })

    app.delete(path, { schema: { params: own } }, async (request, reply) => {
      const scope = scopeOf(request)
      await requireChange(registry, request, scope)
      return change(registry, request, reply, decisions => decisions.deleteConfig(scope), printConfig)
    })
  }
}

export function modeRoutes({ app, registry, prefix }: Routes): void {
  const { state } = registry
  for (const [path, own] of [
    [`${prefix}/mode`, params.none],
    [`${prefix}/mode/:subject`, params.subject],
  ] as const) {
    app.get(path, { schema: { params: own, querystring: reading } }, async request => {
      const scope = scopeOf(request)
      await requireReading(registry, request, scope)
      const mode = flag(request.query.defaultToGlobal) ? state.modeInScope(scope) : state.mode(scope)
      if (mode === null) throw errors.noSubjectMode(scope!)
      return { mode }
    })

    app.put(path, { schema: { params: own, querystring: Type.Object({ force: query.text }), body } }, async (request, reply) => {
      const scope = scopeOf(request)
      await requireChange(registry, request, scope)
      const mode = readMode(readBody(request.body), scope)
      const force = flag(request.query.force)
      return change(
        registry,
        request,
        reply,
        decisions => decisions.setMode(scope, mode, force),
        () => request.body,
      )
    })

    app.delete(path, { schema: { params: own, querystring: Type.Object({ recursive: query.text }) } }, async (request, reply) => {
      const scope = scopeOf(request)
      await requireChange(registry, request, scope)
      const recursive = flag(request.query.recursive)
      return change(
        registry,
        request,
        reply,
        decisions => decisions.deleteMode(scope, recursive),
        mode => (mode === null ? {} : { mode }),
      )
    })
  }
}

/** null: the mode is taken away. Throws HttpError 42204. */
function readMode({ mode }: Record<string, unknown>, scope: string | null): Mode | null {
  if (mode === undefined || mode === null) return null
  const found = modes.find(each => typeof mode === 'string' && each === mode.toUpperCase())
  if (found === undefined) throw errors.invalidMode()
  if (found === 'FORWARD' && scope !== ':.__GLOBAL:') throw errors.invalidMode('Forward mode only supported on global level')
  return found
}
