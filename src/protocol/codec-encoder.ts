/**
 * Generates the source of an encoder: for each struct one function that writes its fields in order. Missing optional fields get
 * their default; a value that the version cannot represent is an error, unless its field is ignorable.
 */
import { defaultSource } from './codec-decoder.ts'
import { type FieldPlan, fixedBytes, type StructPlan, type Type } from './codec-plan.ts'

/**
 * A function body that expects `ByteWriter`, `notInVersion`, `emptyBuffer`, `zeroUuid`; returns the encoder: (writer, message) => void, or,
 * if `paused`, a generator.
 */
export function encoderSource(struct: StructPlan, paused = false): string {
  const generator = new EncoderSource(paused)
  const name = generator.struct(struct)
  return `'use strict'\n${generator.functions.join('\n')}\nreturn ${name}\n`
}

class EncoderSource {
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

  #add(name: string, parameters: string, comment: string, body: readonly string[]): string {
    const text = body.map(line => `  ${line}`).join('\n')
    const pauses = text.includes('yield')
    if (pauses) this.#pausing.add(name)
    this.functions.push(`function${pauses ? '*' : ''} ${name}(${parameters}) { // ${comment}\n${text}\n}`)
    return name
  }

  #call(name: string, value: string): string {
    return `${this.#pausing.has(name) ? 'yield* ' : ''}${name}(w, ${value})`
  }

  struct(plan: StructPlan): string {
    const lines: string[] = []
    for (const field of plan.fields) {
      if (field.place === 'inline') lines.push(this.#field(field, plan, valueSource(field)))
      else if (field.place === 'absent' && !field.ignorable) {
        lines.push(`if (${this.#differs(field, `m.${field.name}`)}) throw notInVersion('${plan.path}.${field.name}')`)
      }
    }
    if (plan.flexible) lines.push(...this.#tags(plan))
    return this.#add(this.#name('write'), 'w, m', plan.path, lines)
  }

  /** Before a struct that may be null stands a byte: 1, or for null −1; among the tags 0. */
  #field(field: FieldPlan, plan: StructPlan, value: string): string {
    const { type, nullable } = field
    if (type.kind !== 'struct' || !nullable) return this.#write(type, nullable, plan, field.name, value)
    const write = this.struct(type.struct)
    const marker = field.place === 'tagged' ? 0 : -1
    const body = [`if (m === null) w.writeInt8(${marker})`, `else { w.writeInt8(1); ${this.#call(write, 'm')} }`]
    return this.#call(this.#add(this.#name('writeNullable'), 'w, m', type.struct.path, body), value)
  }

  #write(type: Type, nullable: boolean, plan: StructPlan, field: string, value: string): string {
    if (type.kind === 'array') return this.#call(this.#array(type.of, nullable, plan, field), value)
    if (type.kind === 'struct') return this.#call(this.struct(type.struct), value)
    return `w.${writeMethod(type.kind, nullable, plan.flexible)}(${value})`
  }

  #array(of: Type, nullable: boolean, plan: StructPlan, field: string): string {
    const element = this.#write(of, false, plan, field, 'list[index]')
    const count = plan.flexible ? 'w.writeUvarint(list.length + 1)' : 'w.writeInt32(list.length)'
    const none = plan.flexible ? 'w.writeUvarint(0)' : 'w.writeInt32(-1)'
    const body = [
      ...(nullable ? [`if (list === null) { ${none}; return }`] : []),
      count,
      ...(this.#paused ? [] : ['w.claimElements(list.length)']),
      `for (let index = 0; index < list.length; index++) {`,
      `  ${element}`,
      ...(this.#paused ? ['  if (w.pauseDue()) yield'] : []),
      '}',
    ]
    return this.#add(this.#name('writeArray'), 'w, list', `${plan.path}.${field}`, body)
  }

  #tags(plan: StructPlan): string[] {
    const tagged = plan.fields.filter(field => field.place === 'tagged').sort((a, b) => a.tag - b.tag)
    if (tagged.length === 0) return ['w.writeUvarint(0)']
    const lines = ['let tags = 0']
    for (const field of tagged)
      lines.push(`const has${field.tag} = ${this.#differs(field, `m.${field.name}`)}`, `if (has${field.tag}) tags++`)
    lines.push('w.writeUvarint(tags)', 'if (tags === 0) return')
    for (const field of tagged) lines.push(`if (has${field.tag}) { ${this.#tag(field, plan)} }`)
    return lines
  }

  /** A tag carries its size before its bytes: known for fixed types, found by writing aside for the others. */
  #tag(field: FieldPlan, plan: StructPlan): string {
    const value = `m.${field.name}`
    const bytes = field.type.kind === 'array' || field.type.kind === 'struct' ? undefined : fixedBytes[field.type.kind]
    const head = `w.writeUvarint(${field.tag}); `
    const write = this.#field(field, plan, value)
    if (bytes !== undefined) return `${head}w.writeUvarint(${bytes}); ${write}`
    return `${head}const whole = w; { const w = new ByteWriter(64); ${write}; whole.writeUvarint(w.length); whole.append(w) }`
  }

  /** An expression: the value is there and is not the default. */
  #differs(field: FieldPlan, value: string): string {
    const { type } = field
    const byDefault = defaultSource(field)
    if (byDefault === 'null') return `${value} !== undefined && ${value} !== null`
    if (type.kind === 'array' || type.kind === 'bytes') return `${value} !== undefined && (${value} === null || ${value}.length !== 0)`
    if (type.kind === 'struct') return `${value} !== undefined && (${value} === null || ${this.#structDiffers(type.struct)}(${value}))`
    return `${value} !== undefined && ${value} !== ${byDefault}`
  }

  #structDiffers(struct: StructPlan): string {
    const tests = struct.fields.map(field => `(${this.#differs(field, `m.${field.name}`)})`)
    return this.#add(this.#name('differs'), 'm', struct.path, [`return ${tests.join(' || ') || 'false'}`])
  }
}

function valueSource(field: FieldPlan): string {
  const value = `m.${field.name}`
  return field.optional ? `(${value} === undefined ? ${defaultSource(field)} : ${value})` : value
}

function writeMethod(kind: string, nullable: boolean, flexible: boolean): string {
  const name = `${kind[0]!.toUpperCase()}${kind.slice(1)}`
  if (kind === 'string' || kind === 'bytes' || kind === 'records') {
    return `write${flexible ? 'Compact' : ''}${nullable ? 'Nullable' : ''}${name}`
  }
  return `write${name}`
}
