/**
 * Whether a value conforms to a JSON Schema, of draft 4 up to 2020-12.
 *
 * A schema of a few lines can take a validator years, so both its compilation and its use are cut off after a time. Patterns run in linear time; one that
 * cannot is not checked, like a format that nobody knows.
 */
import { type Context, createContext, Script } from 'node:vm'
import type { Ajv, ValidateFunction } from 'ajv'
import { linearRegExp } from '../../base.ts'
import { SerdeError } from '../types.ts'

export interface Validator {
  /** Throws SerdeError that names the place. */
  check(value: unknown): void
}

const compileForMs = 1_000
const checkForMs = 250
/** What checks that were cut off may take together, of this thread's own time; then the schema is of no more use. */
const mostWastedMs = 500
const mostText = 2 ** 20
/** Without any of these, checking takes time in proportion to the value. */
const costly = /"(?:\$(?:ref|dynamicRef|recursiveRef)|allOf|anyOf|oneOf|not|if|uniqueItems|contains|dependen\w+|unevaluated\w+)"/

/** `references`: other schemas by their names. Throws SerdeError. */
export async function openValidator(schema: object | boolean, text: string, references: ReadonlyMap<string, unknown>): Promise<Validator> {
  if (text.length > mostText) throw new SerdeError(`the JSON Schema has more than ${mostText} characters`)
  const ajv = await openAjv(dialectOf(schema))
  const validate = limited(compileForMs, 'the JSON Schema takes too long to compile', () => {
    try {
      for (const [name, each] of references) ajv.addSchema(each as object, name)
      return ajv.compile(schema)
    } catch (error) {
      throw new SerdeError(`the JSON Schema cannot be used: ${(error as Error).message}`, error)
    }
  })
  const always = costly.test(text) || references.size > 0
  let wastedMs = 0
  const passesInTime = (value: unknown): boolean => {
    const message = 'the JSON Schema takes too long to check'
    if (wastedMs > mostWastedMs) throw new SerdeError(message)
    const before = process.threadCpuUsage()
    try {
      return limited(checkForMs, message, () => validate(value))
    } catch (error) {
      wastedMs += process.threadCpuUsage(before).user / 1_000
      throw error
    }
  }
  return {
    check(value) {
      const checked = withoutBigints(value)
      const passes = always ? passesInTime(checked) : validate(checked)
      if (passes !== true) throw new SerdeError(`the value does not conform to its JSON Schema: ${reasonOf(validate)}`)
    },
  }
}

type Dialect = 'draft4' | 'draft7' | '2019' | '2020'

function dialectOf(schema: object | boolean): Dialect {
  const uri = typeof schema === 'object' && '$schema' in schema && typeof schema.$schema === 'string' ? schema.$schema : ''
  if (uri.includes('draft-04')) return 'draft4'
  if (uri.includes('2019-09')) return '2019'
  return uri.includes('2020-12') ? '2020' : 'draft7'
}

const options = {
  strict: false,
  validateFormats: true,
  logger: false as const,
  unicodeRegExp: false,
  code: { regExp: Object.assign((pattern: string) => checkable(pattern), { code: 'unused' }) },
}

async function openAjv(dialect: Dialect): Promise<Ajv> {
  const { default: formats } = await import('ajv-formats')
  const ajv = await make(dialect)
  ;(formats as unknown as (ajv: Ajv) => void)(ajv)
  return ajv
}

async function make(dialect: Dialect): Promise<Ajv> {
  if (dialect === 'draft4') return new ((await import('ajv-draft-04')).default as unknown as typeof Ajv)(options)
  if (dialect === '2019') return new (await import('ajv/dist/2019.js')).Ajv2019(options) as unknown as Ajv
  if (dialect === '2020') return new (await import('ajv/dist/2020.js')).Ajv2020(options) as unknown as Ajv
  const { Ajv: Validator } = await import('ajv')
  const ajv = new Validator(options)
  const { default: draft6 } = await import('ajv/dist/refs/json-schema-draft-06.json', { with: { type: 'json' } })
  ajv.addMetaSchema(draft6)
  return ajv
}

function checkable(pattern: string): { test(text: string): boolean; exec(text: string): RegExpExecArray | null } {
  try {
    return linearRegExp(pattern)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { test: () => true, exec: () => null }
  }
}

/** The validator knows no bigints; to which bounds an integer that large conforms, its nearest double says. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutBigints)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutBigints(each)]))
}

function reasonOf({ errors }: ValidateFunction): string {
  const [first] = errors ?? []
  if (first === undefined) return 'it is refused'
  const place = first.instancePath === '' ? 'the value' : first.instancePath.slice(1).replaceAll('/', '.')
  return `${place} ${first.message}`
}

const script = new Script('job()')
let context: Context | null = null

/** Runs what may not end; throws SerdeError with this message after so long. */
function limited<T>(ms: number, message: string, job: () => T): T {
  context ??= createContext({ job: null })
  const before = context.job
  context.job = job
  try {
    return script.runInContext(context, { timeout: ms }) as T
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new SerdeError(message, error)
    if (error instanceof RangeError) throw new SerdeError(`${message}: ${error.message}`, error)
    throw error
  } finally {
    context.job = before
  }
}
