/**
 * Checks what requests bring against the schemas of their route, as TypeBox does. There are hundreds of schemas and most of them are never asked for, so each is
 * compiled when it is first needed, and the compiler is loaded with the first of them.
 *
 * Paths and queries are texts. Where a schema wants nothing but texts, looking at them takes less than converting them.
 */
import { createRequire } from 'node:module'
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { problemsIn } from './problems.ts'

type Validator = (value: unknown) => { value: unknown } | { error: FastifySchemaValidationError[] }

const require = createRequire(import.meta.url)

export const validatorOf: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const texts = httpPart === 'body' ? null : textsIn(schema)
  let compiled: Validator | null = null
  return (value: unknown) => {
    if (texts !== null && hasTexts(value as Record<string, unknown>, texts)) return { value }
    compiled ??= compile(schema, httpPart === 'body')
    return compiled(value)
  }
}

function compile(schema: TSchema, isBody: boolean): Validator {
  const { Compile } = require('typebox/compile') as typeof import('typebox/compile')
  const checked = Compile(schema)
  return value => {
    const converted = isBody ? value : checked.Convert(value)
    return checked.Check(converted) ? { value: converted } : { error: problemsIn(schema, converted) as FastifySchemaValidationError[] }
  }
}

interface Shape {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly required?: readonly string[]
}

/** Whether each of them is required, by name; null: the schema wants something else as well. */
function textsIn(schema: TSchema): (readonly [name: string, isRequired: boolean])[] | null {
  const { type, properties = {}, required = [], ...more } = schema as Shape
  if (type !== 'object' || Object.keys(more).length > 0) return null
  const names = Object.keys(properties)
  const isText = (name: string) =>
    Object.entries(properties[name]!).every(([key, value]) => (key === 'type' ? value === 'string' : key === 'description'))
  return names.every(isText) ? names.map(name => [name, required.includes(name)] as const) : null
}

function hasTexts(value: Readonly<Record<string, unknown>>, texts: readonly (readonly [string, boolean])[]): boolean {
  for (const [name, isRequired] of texts) {
    const given = value[name]
    if (given === undefined ? isRequired : typeof given !== 'string') return false
  }
  return true
}
