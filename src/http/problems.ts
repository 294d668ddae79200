/**
 * What is wrong with a value that does not fit its schema, for people. Hides how the library tells it: each branch of a union by itself, also those that were not
 * meant, a key that is not known as a schema that is false, and keys as missing that have defaults.
 */
import { createRequire } from 'node:module'
import type { TSchema } from 'typebox'
import { didYouMean } from '../base.ts'

type Library = typeof import('typebox/value')
type SchemaError = ReturnType<Library['Value']['Errors']>[number]

const require = createRequire(import.meta.url)
/** Takes a while to load, and mostly nothing is wrong. */
const library = () => (require('typebox/value') as Library).Value

export interface Problem {
  /** A JSON pointer; empty: the whole. */
  readonly instancePath: string
  readonly message: string
}

/** Empty if it fits. */
export function problemsIn(schema: TSchema, value: unknown): Problem[] {
  const errors = withoutOtherBranches(library().Errors(schema, value))
  const problems = errors.flatMap(error => problemsOf(error, errors, schema, value))
  return [...new Map(problems.map(each => [`${each.instancePath} ${each.message}`, each])).values()]
}

/** Of each union only the branches that may have been meant: those whose kind of value it is, with keys that they know. */
function withoutOtherBranches(errors: readonly SchemaError[]): SchemaError[] {
  const dropped = new Set<SchemaError>()
  for (const union of errors.filter(each => each.keyword === 'anyOf')) {
    const prefix = `${union.schemaPath}/anyOf/`
    const branches = [
      ...Map.groupBy(
        errors.filter(each => each.schemaPath.startsWith(prefix)),
        each => each.schemaPath.slice(prefix.length).split('/')[0]!,
      ).values(),
    ]
    const isOther = (some: readonly SchemaError[]) =>
      some.some(({ keyword, instancePath }) => keyword === 'type' && instancePath === union.instancePath)
    const knowsKeys = (some: readonly SchemaError[]) => !some.some(({ keyword }) => keyword === 'boolean')
    const ofKind = branches.filter(some => !isOther(some))
    const meant = ofKind.filter(knowsKeys)
    const kept = new Set((meant.length > 0 ? meant : ofKind.length > 0 ? ofKind : branches).flat())
    dropped.add(union)
    for (const each of branches.flat()) if (!kept.has(each)) dropped.add(each)
  }
  return errors.filter(each => !dropped.has(each))
}

function problemsOf(error: SchemaError, errors: readonly SchemaError[], schema: TSchema, value: unknown): Problem[] {
  const { keyword, instancePath, params, message } = error
  const says = (text: string) => [{ instancePath, message: text }]
  const own = subschema(schema, error)
  const same = errors.filter(each => each.keyword === keyword && each.instancePath === instancePath)
  switch (keyword) {
    case 'boolean':
      return says(`is not known${suggestion(error, schema)}`)
    // Each of them has an error of its own.
    case 'additionalProperties':
      return []
    case 'required':
      return requiredIn(params)
        .filter(name => own?.properties?.[name]?.default === undefined)
        .map(name => ({ instancePath: `${instancePath}/${escaped(name)}`, message: 'is missing' }))
    case 'type':
      return says(`must be ${orOf(same.flatMap(each => ('type' in each.params ? [each.params.type].flat() : [])))}`)
    case 'const':
      return says(`must be ${orOf(same.flatMap(each => ('allowedValue' in each.params ? [String(each.params.allowedValue)] : [])))}`)
    case 'pattern':
      return says(
        own?.description === undefined
          ? message
          : `${JSON.stringify(library().Pointer.Get(value, instancePath))} is not ${own.description}`,
      )
    default:
      return says(message)
  }
}

interface Shape {
  readonly description?: string
  readonly properties?: Readonly<Record<string, { readonly default?: unknown }>>
}

function subschema(schema: TSchema, { schemaPath }: SchemaError): Shape | undefined {
  const pointer = schemaPath.slice(1)
  return (pointer === '' ? schema : library().Pointer.Get(schema, pointer)) as Shape | undefined
}

function requiredIn(params: object): readonly string[] {
  return 'requiredProperties' in params ? (params.requiredProperties as readonly string[]) : []
}

function suggestion({ schemaPath, instancePath }: SchemaError, schema: TSchema): string {
  const parent = schemaPath.slice(1).replace(/\/additionalProperties$/, '')
  const { properties = {} } = (parent === '' ? schema : (library().Pointer.Get(schema, parent) as Shape | undefined)) as Shape
  const name = instancePath.slice(instancePath.lastIndexOf('/') + 1)
  return didYouMean(name, Object.keys(properties))
}

function orOf(words: readonly string[]): string {
  const all = [...new Set(words)]
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}
