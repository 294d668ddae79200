/**
 * Generates the source of a decoder: for each struct one function that reads its fields in order into one object literal, so that all
 * messages of a version have the same shape. Tagged fields, which are rare, are read by a second function.
 *
 * For large messages there is a second kind of decoder, made of generators, that pauses after every few hundred elements.
 */
import { assert } from '../base.ts'
import { type FieldPlan, leastBytes, type StructPlan, type Type } from './codec-plan.ts'

/**
 * A function body that expects `MalformedInput`, `emptyBuffer` and `zeroUuid`, and returns the decoder: (reader) => message, or, if
 * `paused`, (reader) => a generator that returns the message, where lists end early once the reader's `elementsLeft` is used up.
 */
export function decoderSource(struct: StructPlan, paused = false): string {
  const generator = new DecoderSource(paused)
  const name = generator.struct(struct)
  return `'use strict'\n${generator.functions.join('\n')}\nreturn ${name}\n`
}

class DecoderSource {
  readonly functions: string[] = []
  readonly #paused: boolean
  /** Names of those functions that pause. */
  readonly #pausing = new Set<string>()

  constructor(paused: boolean) {
    this.#paused = paused
  }

  #name(prefix: string): string {
    return `${prefix}${this.functions.length}`
  }

  #add(name: string, parameters: string, comment: string, body: string, pauses: boolean): void {
    if (pauses) this.#pausing.add(name)
    this.functions.push(`function${pauses ? '*' : ''} ${name}(${parameters}) { // ${comment}\n${body}\n}`)
  }

  #call(name: string, args: string): string {
    return `${this.#pausing.has(name) ? 'yield* ' : ''}${name}(${args})`
  }

  struct(plan: StructPlan): string {
    const values = plan.fields.map(field => `    ${field.name}: ${this.#value(field, plan)},`)
    const literal = `{\n${values.join('\n')}\n  }`
    const tags = plan.flexible ? this.#tags(plan) : ''
    const name = this.#name('read')
    const body = plan.flexible ? `  const message = ${literal}\n  ${tags}\n  return message` : `  return ${literal}`
    this.#add(name, 'r', plan.path, body, body.includes('yield'))
    return name
  }

  #value(field: FieldPlan, plan: StructPlan): string {
    return field.place === 'inline' ? this.#field(field, plan) : defaultSource(field)
  }

  #field(field: FieldPlan, plan: StructPlan): string {
    const read = this.#read(field.type, field.nullable, plan, field.name)
    if (field.type.kind !== 'struct' || !field.nullable) return read
    return `(${nullMarkerTest(field)} ? null : ${read})`
  }

  #read(type: Type, nullable: boolean, plan: StructPlan, field: string): string {
    if (type.kind === 'array') return this.#call(this.#array(type.of, nullable, plan, field), 'r')
    if (type.kind === 'struct') return this.#call(this.struct(type.struct), 'r')
    return `r.${readMethod(type.kind, nullable, plan.flexible)}()`
  }

  #array(of: Type, nullable: boolean, plan: StructPlan, field: string): string {
    const least = leastBytes(of, plan.flexible)
    assert(least > 0, `an element of ${plan.path}.${field} may have no bytes: its count would be unbounded`)
    const element = this.#read(of, false, plan, field)
    const name = this.#name('readArray')
    const none = nullable ? 'return null' : `throw new MalformedInput('${plan.path}.${field} is null')`
    const read = `  const count = r.${plan.flexible ? 'readCompactCount' : 'readCount'}(${least})\n  if (count < 0) ${none}\n  const list = []`
    const loop = this.#paused
      ? `  r.admitElements(count)
  for (let index = 0; index < count; index++) {
    const kept = r.keepElement()
    const element = ${element}
    if (kept) list.push(element)
    if (r.pauseDue()) yield
  }`
      : `  r.claimElements(count)\n  for (let index = 0; index < count; index++) list.push(${element})`
    this.#add(name, 'r', `${plan.path}.${field}`, `${read}\n${loop}\n  return list`, this.#paused)
    return name
  }

  /** The statement that reads the tags of a struct into `message`. Known tags must fill exactly the size they declare. */
  #tags(plan: StructPlan): string {
    const tagged = plan.fields.filter(field => field.place === 'tagged')
    if (tagged.length === 0) return 'r.skipTags()'
    const cases = tagged.map(field => `      case ${field.tag}: message.${field.name} = ${this.#field(field, plan)}; break`)
    const name = this.#name('readTags')
    const body = [
      '  let last = -1',
      '  for (; count > 0; count--) {',
      '    const tag = r.readTag(last)',
      '    last = tag',
      '    const end = r.readTagEnd()',
      '    switch (tag) {',
      ...cases,
      '      default: r.offset = end',
      '    }',
      `    if (r.offset !== end) throw new MalformedInput('tag ' + tag + ' of ${plan.path} has another size than it declares')`,
      '  }',
    ]
    const text = body.join('\n')
    this.#add(name, 'r, count, message', plan.path, text, text.includes('yield'))
    return `const count = r.readTagCount()\n  if (count !== 0) ${this.#call(name, 'r, count, message')}`
  }
}

/** Before a struct that may be null stands a byte: 1, or for null −1; among the tags 0. */
function nullMarkerTest(field: FieldPlan): string {
  return field.place === 'tagged' ? 'r.readInt8() === 0' : 'r.readInt8() < 0'
}

function readMethod(kind: string, nullable: boolean, flexible: boolean): string {
  if (kind === 'string' || kind === 'bytes' || kind === 'records') {
    return `read${flexible ? 'Compact' : ''}${nullable ? 'Nullable' : ''}${kind === 'string' ? 'String' : 'Bytes'}`
  }
  return `read${kind[0]!.toUpperCase()}${kind.slice(1)}`
}

/** An expression that creates the default of a field. */
export function defaultSource(field: FieldPlan): string {
  if (typeof field.default === 'bigint') return `${field.default}n`
  if (field.default !== undefined) return JSON.stringify(field.default)
  const { type } = field
  switch (type.kind) {
    case 'bool':
      return 'false'
    case 'string':
      return "''"
    case 'uuid':
      return 'zeroUuid'
    case 'bytes':
      return 'emptyBuffer'
    case 'records':
      return 'null'
    case 'array':
      return '[]'
    case 'struct':
      return `{ ${type.struct.fields.map(inner => `${inner.name}: ${defaultSource(inner)}`).join(', ')} }`
    default:
      return '0'
  }
}
