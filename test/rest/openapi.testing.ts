/** Holds answers of the proxy against its OpenAPI document. */
import assert from 'node:assert/strict'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { parseLossless } from '../../src/base.ts'

interface Operation {
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>
}
type Content = Readonly<Record<string, { readonly schema: object }>>

export interface OpenApi {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

export interface Told {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly status: number
  readonly contentType: string | null
  readonly text: string
}

export class Contract {
  /** The path templates, those with fewest parameters first. */
  readonly #templates: readonly { readonly pattern: RegExp; readonly operations: Readonly<Record<string, Operation>> }[]
  // Digits that a double cannot hold are bigints here; the document says `integer` of them.
  readonly #ajv = new Ajv2020({ strict: false, formats: { int64: true } })
  readonly #validators = new Map<object, ValidateFunction>()

  constructor({ paths }: OpenApi) {
    this.#templates = Object.entries(paths)
      .sort(([a], [b]) => a.split('{').length - b.split('{').length)
      .map(([path, operations]) => ({ pattern: patternOf(path), operations }))
  }

  /** Fails if the document does not say what was answered. What no route answered is not looked at. */
  check({ method, path, status, contentType, text }: Told): void {
    const place = `${method} ${path}: ${status} ${text.slice(0, 500)}`
    const bare = path.split('?', 1)[0]!
    const operation = this.#templates.find(each => each.pattern.test(bare) && method.toLowerCase() in each.operations)?.operations[
      method.toLowerCase()
    ]
    if (operation === undefined) {
      assert.equal(status, 404, `${place}: no such path in the document`)
      return
    }
    const answer = operation.responses[String(status)] ?? operation.responses[`${Math.floor(status / 100)}XX`]
    assert.ok(answer !== undefined, `${place}: no such status in the document`)
    if (answer.content === undefined) {
      assert.equal(text, '', place)
      return
    }
    const content = answer.content[contentType ?? '']
    assert.ok(content !== undefined, `${place}: ${contentType} is not in the document`)
    const isValid = this.#validatorOf(content.schema)
    // A stream of answers is a line for each.
    for (const each of text.split('\r\n').filter(line => line !== ''))
      assert.ok(isValid(withoutBigints(parseLossless(each))), `${place}: ${JSON.stringify(isValid.errors)}`)
  }

  #validatorOf(schema: object): ValidateFunction {
    let validator = this.#validators.get(schema)
    if (validator === undefined) this.#validators.set(schema, (validator = this.#ajv.compile(schema)))
    return validator
  }
}

/** The nearest doubles, because the validator knows no bigints. */
function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutBigints)
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutBigints(each)]))
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{\w+\}/).map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('[^/]+')}$`)
}
