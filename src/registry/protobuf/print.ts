/** `.proto` file → text, as Confluent's registry writes it: declarations in one order, comments left out. */
import {
  type Enum,
  type Extend,
  type Field,
  type Group,
  type Message,
  maxTag,
  type OneOf,
  type Option,
  type OptionValue,
  type ProtoFile,
  type Reserved,
  type Service,
  scalars,
} from './model.ts'

export interface Style {
  /** `ignore_extensions`. */
  readonly withoutExtensions: boolean
}

export function printProto(file: ProtoFile, { withoutExtensions }: Style = { withoutExtensions: false }): string {
  const printer = new Printer(withoutExtensions)
  let text = ''
  if (file.syntax !== null) text += `syntax = "${file.syntax}";\n`
  if (file.edition !== null) text += `edition = "${file.edition}";\n`
  if (file.package !== null) text += `package ${file.package};\n`
  if (file.imports.length + file.publicImports.length > 0)
    text += `\n${file.imports.map(each => `import "${each}";\n`).join('')}${file.publicImports.map(each => `import public "${each}";\n`).join('')}`
  text += printer.options(file.options, '\n')
  if (file.messages.length + file.enums.length > 0)
    text += `\n${file.messages.map(each => printer.message(each)).join('')}${file.enums.map(each => printer.enum(each)).join('')}`
  if (!withoutExtensions && file.extends.length > 0) text += `\n${file.extends.map(each => printer.extend(each)).join('')}`
  if (file.services.length > 0) text += `\n${file.services.map(each => printer.service(each)).join('')}`
  return text
}

class Printer {
  readonly #withoutExtensions: boolean

  constructor(withoutExtensions: boolean) {
    this.#withoutExtensions = withoutExtensions
  }

  message(message: Message): string {
    let text = `message ${message.name} {`
    text += section(message.reserved.map(each => `reserved ${ranges(each)};\n`))
    text += section(this.#optionLines(message.options))
    text += section(message.fields.map(each => this.#field(each)))
    text += section(message.oneOfs.map(each => this.#oneOf(each)))
    text += section(message.groups.map(each => this.#group(each)))
    if (!this.#withoutExtensions) {
      text += section(message.extensions.map(each => `extensions ${ranges(each.ranges)}${this.#bracketed(each.options)};\n`))
      text += section(message.extends.map(each => this.extend(each)))
    }
    text += section([...message.messages.map(each => this.message(each)), ...message.enums.map(each => this.enum(each))])
    return `${text}}\n`
  }

  enum({ name, constants, options, reserved }: Enum): string {
    const lines = [
      ...reserved.map(each => `reserved ${ranges(each)};\n`),
      ...this.#optionLines(options),
      ...constants.map(each => `${each.name} = ${each.tag}${this.#bracketed(each.options)};\n`),
    ]
    return `enum ${name} {${section(lines)}}\n`
  }

  extend({ name, fields }: Extend): string {
    return `extend ${name} {${section(fields.map(each => this.#field(each)))}}\n`
  }

  service({ name, rpcs, options }: Service): string {
    const calls = rpcs.map(rpc => {
      const [request, response] = [
        `${rpc.streamsRequest ? 'stream ' : ''}${rpc.request}`,
        `${rpc.streamsResponse ? 'stream ' : ''}${rpc.response}`,
      ]
      const own = this.#optionLines(rpc.options)
      return `rpc ${rpc.name} (${request}) returns (${response})${own.length === 0 ? '' : ` {\n${own.map(indented).join('')}}`};\n`
    })
    return `service ${name} {${section(this.#optionLines(options))}${section(calls)}}\n`
  }

  options(options: readonly Option[], before: string): string {
    const lines = this.#optionLines(options)
    return lines.length === 0 ? '' : `${before}${lines.join('')}`
  }

  #oneOf({ name, fields, groups, options }: OneOf): string {
    return `oneof ${name} {${section(this.#optionLines(options))}${section(fields.map(each => this.#field(each)))}${section(groups.map(each => this.#group(each)))}}\n`
  }

  #group({ label, name, tag, fields }: Group): string {
    return `${label === null ? '' : `${label} `}group ${name} = ${tag} {${section(fields.map(each => this.#field(each)))}}\n`
  }

  #field({ label, type, name, tag, options }: Field): string {
    const special = (option: Option) => ['default', 'json_name'].indexOf(option.name)
    const inOrder = [...options].sort((a, b) => special(a) - special(b)).map(option => asDefault(option, type))
    return `${label === null ? '' : `${label} `}${type} ${name} = ${tag}${this.#bracketed(inOrder)};\n`
  }

  #optionLines(options: readonly Option[]): string[] {
    return this.#kept(options).map(option => `option ${assignment(option)};\n`)
  }

  #bracketed(options: readonly Option[]): string {
    const kept = this.#kept(options)
    return kept.length === 0 ? '' : ` ${bracketed(kept.map(assignment))}`
  }

  #kept(options: readonly Option[]): readonly Option[] {
    return this.#withoutExtensions ? options.filter(({ name }) => !name.startsWith('(')) : options
  }
}

function section(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.map(indented).join('')}`
}

function indented(text: string): string {
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map(line => `  ${line}\n`)
    .join('')
}

function ranges(values: readonly Reserved[]): string {
  return values
    .map(value =>
      typeof value === 'string'
        ? `"${value}"`
        : typeof value === 'number'
          ? String(value)
          : `${value[0]} to ${value[1] >= maxTag ? 'max' : value[1]}`,
    )
    .join(', ')
}

/** The default of a number is written bare, whatever it was written as. */
function asDefault(option: Option, type: string): Option {
  if (option.name !== 'default' || option.value.kind !== 'string' || type === 'string' || type === 'bytes' || !scalars.has(type))
    return option
  return { name: option.name, value: { kind: 'word', text: option.value.text } }
}

function assignment({ name, value }: Option): string {
  if (value.kind === 'message') return `${name} = {\n${entries(value.entries)}}`
  if (value.kind === 'list') return `${name} = ${bracketed(value.values.map(printValue))}`
  return `${name} = ${printValue(value)}`
}

function bracketed(values: readonly string[]): string {
  if (values.length === 1) return `[${values[0]}]`
  return `[\n${values.map((value, index) => indented(index < values.length - 1 ? `${value},` : value)).join('')}]`
}

function entries(list: readonly (readonly [string, OptionValue])[]): string {
  return list.map(([name, value], index) => indented(`${name}: ${printValue(value)}${index < list.length - 1 ? ',' : ''}`)).join('')
}

function printValue(value: OptionValue): string {
  switch (value.kind) {
    case 'string':
      return `"${escaped(value.text)}"`
    case 'word':
      return value.text
    case 'message':
      return `{\n${entries(value.entries)}}`
    case 'list':
      return `[\n${value.values.map((each, index) => indented(`${printValue(each)}${index < value.values.length - 1 ? ',' : ''}`)).join('')}]`
  }
}

const escapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
}

function escaped(text: string): string {
  return text.replace(/['"\\]|\p{Cc}/gu, found => escapes[found] ?? found)
}
