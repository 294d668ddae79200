/** Text → `.proto` file: proto2, proto3 and editions. */
import { InvalidSchema } from '../schema.ts'
import {
  type Enum,
  type Extend,
  type Extensions,
  type Field,
  type Group,
  type Label,
  type Message,
  maxTag,
  mostDepth,
  type OneOf,
  type Option,
  type OptionValue,
  type ProtoFile,
  type Reserved,
  type Rpc,
  type Service,
} from './model.ts'
import { Tokens } from './tokens.ts'

/** Throws InvalidSchema. */
export function parseProto(text: string): ProtoFile {
  return new Parser(text).file()
}

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] extends readonly (infer Item)[] ? Item[] : Type[Name] }

class Parser {
  readonly #tokens: Tokens
  #depth = 0

  constructor(text: string) {
    this.#tokens = new Tokens(text)
  }

  file(): ProtoFile {
    const tokens = this.#tokens
    const file: Mutable<ProtoFile> = {
      syntax: null,
      edition: null,
      package: null,
      imports: [],
      publicImports: [],
      options: [],
      messages: [],
      enums: [],
      extends: [],
      services: [],
    }
    while (tokens.next !== '') {
      if (tokens.takes(';')) continue
      if (tokens.takes('syntax')) file.syntax = this.#setting(['proto2', 'proto3'])
      else if (tokens.takes('edition')) file.edition = this.#setting(['2023', '2024'])
      else if (tokens.takes('package')) file.package = this.#ended(tokens.path())
      else if (tokens.takes('import')) {
        const isPublic = tokens.takes('public')
        if (!isPublic) tokens.takes('weak')
        ;(isPublic ? file.publicImports : file.imports).push(this.#ended(tokens.string()))
      } else if (tokens.next === 'option') file.options.push(this.#option())
      else if (tokens.takes('message')) file.messages.push(this.#message())
      else if (tokens.takes('enum')) file.enums.push(this.#enum())
      else if (tokens.takes('extend')) file.extends.push(this.#extend(null))
      else if (tokens.takes('service')) file.services.push(this.#service())
      else tokens.fail('a declaration')
    }
    return file
  }

  #setting(values: readonly string[]): string {
    this.#tokens.expect('=')
    const value = this.#ended(this.#tokens.string())
    if (!values.includes(value)) throw new InvalidSchema(`Unknown syntax or edition: ${value}`)
    return value
  }

  #ended<Value>(value: Value): Value {
    this.#tokens.expect(';')
    return value
  }

  #message(): Message {
    const message: Mutable<Message> = { ...emptyMessage(), name: this.#tokens.name() }
    this.#block(() => this.#member(message))
    return message
  }

  #member(message: Mutable<Message>): void {
    const tokens = this.#tokens
    if (tokens.next === 'option') message.options.push(this.#option())
    else if (this.#begins('message')) message.messages.push(this.#message())
    else if (this.#begins('enum')) message.enums.push(this.#enum())
    else if (this.#begins('extend')) message.extends.push(this.#extend(message))
    else if (this.#begins('oneof')) message.oneOfs.push(this.#oneOf(message))
    else if (tokens.next === 'reserved') message.reserved.push(this.#reserved())
    else if (tokens.next === 'extensions') message.extensions.push(this.#extensions())
    else this.#field(message.fields, message.groups, message)
  }

  /** A keyword is also a name of a type or field; a declaration goes on with a name and a brace. */
  #begins(keyword: string): boolean {
    return this.#tokens.takes(keyword)
  }

  #field(fields: Field[], groups: Group[], owner: Mutable<Message> | null): void {
    const tokens = this.#tokens
    const label = ['required', 'optional', 'repeated'].includes(tokens.next) ? (tokens.advance() as Label) : null
    if (tokens.next === 'group') {
      tokens.advance()
      groups.push(this.#group(label, owner))
      return
    }
    const type = this.#type()
    const name = tokens.name()
    tokens.expect('=')
    const tag = this.#tag()
    fields.push({ label, type, name, tag, options: this.#ended(this.#bracketed()) })
  }

  #type(): string {
    const tokens = this.#tokens
    const path = tokens.path()
    if (path !== 'map' || !tokens.takes('<')) return path
    const key = tokens.path()
    tokens.expect(',')
    const value = tokens.path()
    tokens.expect('>')
    return `map<${key}, ${value}>`
  }

  #group(label: Label | null, owner: Mutable<Message> | null): Group {
    const name = this.#tokens.name()
    this.#tokens.expect('=')
    const tag = this.#tag()
    const inner: Mutable<Message> = { ...emptyMessage(), name }
    this.#block(() => this.#member(inner))
    owner?.messages.push(...inner.messages)
    return { label, name, tag, fields: inner.fields }
  }

  #tag(): number {
    const tag = this.#tokens.integer()
    if (tag < 1 || tag > maxTag || (tag >= 19_000 && tag <= 19_999))
      throw new InvalidSchema(`The number of a field is out of range: ${tag}`)
    return tag
  }

  #oneOf(owner: Mutable<Message>): OneOf {
    const tokens = this.#tokens
    const oneOf: Mutable<OneOf> = { name: tokens.name(), fields: [], groups: [], options: [] }
    this.#block(() => {
      if (tokens.next === 'option') oneOf.options.push(this.#option())
      else this.#field(oneOf.fields, oneOf.groups, owner)
    })
    return oneOf
  }

  #extend(owner: Mutable<Message> | null): Extend {
    const extend: Mutable<Extend> = { name: this.#tokens.path(), fields: [] }
    this.#block(() => this.#field(extend.fields, [], owner))
    return extend
  }

  #enum(): Enum {
    const tokens = this.#tokens
    const found: Mutable<Enum> = { name: tokens.name(), constants: [], options: [], reserved: [] }
    this.#block(() => {
      if (tokens.next === 'option') found.options.push(this.#option())
      else if (tokens.next === 'reserved') found.reserved.push(this.#reserved())
      else {
        const name = tokens.name()
        tokens.expect('=')
        found.constants.push({ name, tag: tokens.integer(), options: this.#ended(this.#bracketed()) })
      }
    })
    return found
  }

  #service(): Service {
    const tokens = this.#tokens
    const service: Mutable<Service> = { name: tokens.name(), rpcs: [], options: [] }
    this.#block(() => {
      if (tokens.next === 'option') service.options.push(this.#option())
      else {
        tokens.expect('rpc')
        service.rpcs.push(this.#rpc())
      }
    })
    return service
  }

  #rpc(): Rpc {
    const tokens = this.#tokens
    const name = tokens.name()
    const [streamsRequest, request] = this.#streamed()
    tokens.expect('returns')
    const [streamsResponse, response] = this.#streamed()
    const options: Option[] = []
    if (tokens.next === '{') this.#block(() => options.push(this.#option()))
    else tokens.expect(';')
    return { name, request, response, streamsRequest, streamsResponse, options }
  }

  #streamed(): [boolean, string] {
    const tokens = this.#tokens
    tokens.expect('(')
    const streams = tokens.takes('stream')
    const type = streams && tokens.next === ')' ? 'stream' : tokens.path()
    tokens.expect(')')
    return [streams && type !== 'stream', type]
  }

  #reserved(): Reserved[] {
    this.#tokens.advance()
    return this.#ended(this.#ranges())
  }

  #extensions(): Extensions {
    this.#tokens.advance()
    const ranges = this.#ranges()
    return { ranges, options: this.#ended(this.#bracketed()) }
  }

  #ranges(): Reserved[] {
    const tokens = this.#tokens
    const ranges: Reserved[] = []
    do {
      if (tokens.isString) ranges.push(tokens.string())
      else if (/^[A-Za-z_]/.test(tokens.next)) ranges.push(tokens.name())
      else {
        const first = tokens.integer()
        ranges.push(tokens.takes('to') ? [first, tokens.takes('max') ? maxTag : tokens.integer()] : first)
      }
    } while (tokens.takes(','))
    return ranges
  }

  #option(): Option {
    this.#tokens.expect('option')
    return this.#ended(this.#assignment())
  }

  /** `[a = 1, (b).c = "d"]`, if there is one. */
  #bracketed(): Option[] {
    const tokens = this.#tokens
    if (!tokens.takes('[')) return []
    const options: Option[] = []
    do options.push(this.#assignment())
    while (tokens.takes(','))
    tokens.expect(']')
    return options
  }

  #assignment(): Option {
    const tokens = this.#tokens
    let name = ''
    do {
      if (name !== '') name += '.'
      if (tokens.takes('(')) {
        name += `(${tokens.path()})`
        tokens.expect(')')
      } else name += tokens.name()
    } while (tokens.takes('.'))
    tokens.expect('=')
    return { name, value: this.#value() }
  }

  #value(): OptionValue {
    const tokens = this.#tokens
    if (tokens.isString) return { kind: 'string', text: tokens.string() }
    if (tokens.next === '{' || tokens.next === '<') return this.#messageValue()
    if (tokens.takes('[')) {
      const values: OptionValue[] = []
      if (tokens.takes(']')) return { kind: 'list', values }
      do values.push(this.#nested(() => this.#value()))
      while (tokens.takes(','))
      tokens.expect(']')
      return { kind: 'list', values }
    }
    const sign = tokens.next === '-' || tokens.next === '+' ? tokens.advance() : ''
    if (!/^[\w.]/.test(tokens.next)) tokens.fail('a value')
    return { kind: 'word', text: `${sign === '-' ? '-' : ''}${tokens.advance()}` }
  }

  /** As in Protobuf's text format. */
  #messageValue(): OptionValue {
    const tokens = this.#tokens
    const end = tokens.advance() === '{' ? '}' : '>'
    const entries: [string, OptionValue][] = []
    while (!tokens.takes(end)) {
      let name: string
      if (tokens.takes('[')) {
        name = `[${tokens.path()}`
        if (tokens.takes('/')) name += `/${tokens.path()}`
        name += ']'
        tokens.expect(']')
      } else name = tokens.name()
      if (!tokens.takes(':') && tokens.next !== '{' && tokens.next !== '<') tokens.fail("':'")
      entries.push([name, this.#nested(() => this.#value())])
      if (!tokens.takes(',')) tokens.takes(';')
    }
    return { kind: 'message', entries }
  }

  #block(member: () => unknown): void {
    const tokens = this.#tokens
    tokens.expect('{')
    this.#nested(() => {
      while (!tokens.takes('}')) if (!tokens.takes(';')) member()
    })
    tokens.takes(';')
  }

  #nested<Value>(work: () => Value): Value {
    if (++this.#depth > mostDepth) throw new InvalidSchema(`The schema is nested more than ${mostDepth} levels deep`)
    const value = work()
    this.#depth--
    return value
  }
}

function emptyMessage(): Omit<Mutable<Message>, 'name'> {
  return { fields: [], oneOfs: [], groups: [], messages: [], enums: [], extends: [], extensions: [], reserved: [], options: [] }
}
