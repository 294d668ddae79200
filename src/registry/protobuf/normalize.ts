/** A file in which names are resolved and everything is in one order that may be in any. */
import {
  type Enum,
  type Extend,
  type Field,
  type Message,
  mapOf,
  type OneOf,
  type Option,
  type OptionValue,
  type ProtoFile,
  type Reserved,
  scalars,
} from './model.ts'
import { type Scope, scopeOf, type Types } from './types.ts'

export function normalize(file: ProtoFile, types: Types): ProtoFile {
  const scope = scopeOf(file)
  return {
    syntax: file.syntax === 'proto3' ? file.syntax : null,
    edition: file.edition,
    package: file.package,
    imports: [...new Set(file.imports)].sort(),
    publicImports: [...new Set(file.publicImports)].sort(),
    options: options(file.options),
    // The position of a message is part of what serializers write.
    messages: file.messages.map(each => normalMessage(each, types, [...scope, each.name])),
    enums: file.enums.map(normalEnum),
    extends: normalExtends(file.extends, types, scope),
    services: file.services.map(service => ({
      name: service.name,
      options: options(service.options),
      rpcs: service.rpcs.map(rpc => ({
        ...rpc,
        request: resolved(rpc.request, types, scope),
        response: resolved(rpc.response, types, scope),
        options: options(rpc.options),
      })),
    })),
  }
}

function normalMessage(message: Message, types: Types, scope: Scope): Message {
  return {
    name: message.name,
    fields: normalFields(message.fields, types, scope),
    oneOfs: message.oneOfs
      .filter(each => each.fields.length > 0)
      .map(
        (each): OneOf => ({
          name: each.name,
          fields: normalFields(each.fields, types, scope),
          groups: each.groups,
          options: options(each.options),
        }),
      )
      .sort((a, b) => a.fields[0]!.tag - b.fields[0]!.tag),
    groups: message.groups.map(each => ({ ...each, fields: normalFields(each.fields, types, scope) })).sort((a, b) => a.tag - b.tag),
    messages: message.messages.map(each => normalMessage(each, types, [...scope, each.name])),
    enums: message.enums.map(normalEnum),
    extends: normalExtends(message.extends, types, scope),
    extensions: message.extensions
      .flatMap(each => each.ranges.map(range => ({ ranges: [single(range)], options: options(each.options) })))
      .sort((a, b) => startOf(a.ranges[0]!) - startOf(b.ranges[0]!)),
    reserved: normalReserved(message.reserved),
    options: options(message.options),
  }
}

function normalFields(fields: readonly Field[], types: Types, scope: Scope): Field[] {
  return fields
    .map(field => {
      const map = mapOf(field.type)
      const type = map === null ? resolved(field.type, types, scope) : `map<${map[0]}, ${resolved(map[1], types, scope)}>`
      return { label: map === null ? field.label : null, type, name: field.name, tag: field.tag, options: options(field.options) }
    })
    .sort((a, b) => a.tag - b.tag)
}

function normalEnum({ name, constants, options: own, reserved }: Enum): Enum {
  return {
    name,
    options: options(own),
    reserved: normalReserved(reserved),
    constants: constants
      .map(each => ({ ...each, options: options(each.options) }))
      .sort((a, b) => a.tag - b.tag || (a.name < b.name ? -1 : 1)),
  }
}

/** Those of one type together. */
function normalExtends(list: readonly Extend[], types: Types, scope: Scope): Extend[] {
  const byName = Map.groupBy(list, each => resolved(each.name, types, scope))
  return Array.from(byName, ([name, each]) => ({
    name,
    fields: normalFields(
      each.flatMap(({ fields }) => fields),
      types,
      scope,
    ),
  }))
}

function normalReserved(list: readonly (readonly Reserved[])[]): Reserved[][] {
  return list
    .flat()
    .map(single)
    .sort((a, b) => startOf(a) - startOf(b) || (String(a) < String(b) ? -1 : 1))
    .map(each => [each])
}

function single(value: Reserved): Reserved {
  return typeof value === 'object' && value[0] === value[1] ? value[0] : value
}

function startOf(value: Reserved): number {
  return typeof value === 'string' ? Number.MAX_SAFE_INTEGER : typeof value === 'number' ? value : value[0]
}

function options(list: readonly Option[]): Option[] {
  return list
    .map(({ name, value }) => ({ name, value: normalValue(value) }))
    .sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1))
}

function normalValue(value: OptionValue): OptionValue {
  if (value.kind === 'list')
    return value.values.length === 1 ? normalValue(value.values[0]!) : { kind: 'list', values: value.values.map(normalValue) }
  if (value.kind !== 'message') return value
  const entries = value.entries.map(([name, each]) => [name, normalValue(each)] as const)
  return { kind: 'message', entries: entries.sort(([a], [b]) => (a < b ? -1 : 1)) }
}

function resolved(type: string, types: Types, scope: Scope): string {
  if (scalars.has(type)) return type
  const found = types.find(type, scope)
  return found === null ? type : `.${found.fullName}`
}
