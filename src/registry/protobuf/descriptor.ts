/**
 * Google's FileDescriptorProto, in which some clients send schemas and ask for them (`format=serialized`), ⇄ a `.proto` file. Options of one's own are
 * left out of a descriptor: their types may be in files that are not there.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldDescriptorProto_Label as FieldLabel,
  FieldDescriptorProto_Type as FieldType,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'
import { InvalidSchema } from '../schema.ts'
import {
  type Enum,
  type Field,
  type Label,
  type Message,
  mapOf,
  mostDepth,
  type OneOf,
  type Option,
  type ProtoFile,
  type Reserved,
  scalars,
} from './model.ts'
import { type Scope, scopeOf, type Types } from './types.ts'

const byScalar = new Map([...scalars].map(name => [name, FieldType[name.toUpperCase() as keyof typeof FieldType]]))
const byType = new Map(Array.from(byScalar, ([name, type]) => [type, name]))
const labels: Readonly<Record<Label, FieldLabel>> = {
  optional: FieldLabel.OPTIONAL,
  required: FieldLabel.REQUIRED,
  repeated: FieldLabel.REPEATED,
}

/** `encoded`: base64. Throws InvalidSchema. */
export function fromDescriptor(encoded: string): ProtoFile {
  let proto: FileDescriptorProto
  try {
    proto = fromBinary(FileDescriptorProtoSchema, Buffer.from(encoded, 'base64'))
  } catch (error) {
    throw new InvalidSchema(`not a FileDescriptorProto: ${(error as Error).message}`)
  }
  const publics = new Set(proto.publicDependency)
  const isProto3 = proto.syntax === 'proto3'
  return {
    syntax: proto.syntax === 'editions' ? null : proto.syntax === '' ? 'proto2' : proto.syntax,
    edition: proto.syntax === 'editions' ? String(proto.edition).replace(/^100[01]$/, found => (found === '1000' ? '2023' : '2024')) : null,
    package: proto.package === '' ? null : proto.package,
    imports: proto.dependency.filter((_, index) => !publics.has(index)),
    publicImports: proto.dependency.filter((_, index) => publics.has(index)),
    options: optionsOf(proto.options),
    messages: proto.messageType.map(each => toMessage(each, isProto3, 1)),
    enums: proto.enumType.map(toEnum),
    extends: toExtends(proto.extension, isProto3),
    services: proto.service.map(service => ({
      name: service.name,
      options: optionsOf(service.options),
      rpcs: service.method.map(method => ({
        name: method.name,
        request: method.inputType,
        response: method.outputType,
        streamsRequest: method.clientStreaming,
        streamsResponse: method.serverStreaming,
        options: optionsOf(method.options),
      })),
    })),
  }
}

function toMessage(proto: DescriptorProto, isProto3: boolean, depth: number): Message {
  if (depth > mostDepth) throw new InvalidSchema(`The schema is nested more than ${mostDepth} levels deep`)
  const maps = new Map(proto.nestedType.filter(each => each.options?.mapEntry).map(each => [each.name, each]))
  const field = (each: FieldDescriptorProto) => toField(each, isProto3, maps)
  const inOneOf = (each: FieldDescriptorProto) => hasOneOf(each) && !each.proto3Optional
  const oneOfs: OneOf[] = proto.oneofDecl.map((each, index) => ({
    name: each.name,
    fields: proto.field.filter(own => inOneOf(own) && own.oneofIndex === index).map(own => ({ ...field(own), label: null })),
    groups: [],
    options: optionsOf(each.options),
  }))
  return {
    name: proto.name,
    fields: proto.field.filter(each => !inOneOf(each)).map(field),
    oneOfs: oneOfs.filter(each => each.fields.length > 0),
    groups: [],
    messages: proto.nestedType.filter(each => !maps.has(each.name)).map(each => toMessage(each, isProto3, depth + 1)),
    enums: proto.enumType.map(toEnum),
    extends: toExtends(proto.extension, isProto3),
    extensions: proto.extensionRange.map(({ start, end }) => ({ ranges: [toRange(start, end - 1)], options: [] })),
    reserved: reservedOf(
      proto.reservedRange.map(({ start, end }) => toRange(start, end - 1)),
      proto.reservedName,
    ),
    options: optionsOf(proto.options),
  }
}

function hasOneOf(proto: FieldDescriptorProto): boolean {
  return Object.hasOwn(proto, 'oneofIndex')
}

function toField(proto: FieldDescriptorProto, isProto3: boolean, maps: ReadonlyMap<string, DescriptorProto>): Field {
  const map = maps.get(proto.typeName.slice(proto.typeName.lastIndexOf('.') + 1))
  const type = (each: FieldDescriptorProto | undefined) => byType.get(each!.type) ?? each!.typeName
  const options = optionsOf(proto.options)
  if (proto.defaultValue !== '') {
    const isText = proto.type === FieldType.STRING || proto.type === FieldType.BYTES
    options.push({ name: 'default', value: { kind: isText ? 'string' : 'word', text: proto.defaultValue } })
  }
  if (proto.jsonName !== '' && proto.jsonName !== jsonNameOf(proto.name))
    options.push({ name: 'json_name', value: { kind: 'string', text: proto.jsonName } })
  const isBare = isProto3 && proto.label === FieldLabel.OPTIONAL && !proto.proto3Optional
  const label =
    isBare || map !== undefined
      ? null
      : proto.label === FieldLabel.REPEATED
        ? 'repeated'
        : proto.label === FieldLabel.REQUIRED
          ? 'required'
          : 'optional'
  return {
    label,
    type: map === undefined ? type(proto) : `map<${type(map.field[0])}, ${type(map.field[1])}>`,
    name: proto.name,
    tag: proto.number,
    options,
  }
}

function toEnum(proto: EnumDescriptorProto): Enum {
  return {
    name: proto.name,
    constants: proto.value.map(each => ({ name: each.name, tag: each.number, options: optionsOf(each.options) })),
    options: optionsOf(proto.options),
    reserved: reservedOf(
      proto.reservedRange.map(({ start, end }) => toRange(start, end)),
      proto.reservedName,
    ),
  }
}

function toExtends(list: readonly FieldDescriptorProto[], isProto3: boolean) {
  return Array.from(
    Map.groupBy(list, each => each.extendee),
    ([name, fields]) => ({
      name,
      fields: fields.map(each => toField(each, isProto3, new Map())),
    }),
  )
}

function toRange(start: number, last: number): Reserved {
  return start === last ? start : [start, last]
}

function reservedOf(ranges: readonly Reserved[], names: readonly string[]): Reserved[][] {
  return [ranges as Reserved[], names as Reserved[]].filter(each => each.length > 0)
}

/** Names of the fields of options messages are those of options, in camel case; values that are no plain data are custom ones. */
function optionsOf(options: object | undefined): Option[] {
  return Object.entries(options ?? {}).flatMap(([key, value]): Option[] => {
    if (key.startsWith('$') || key === 'uninterpretedOption' || key === 'mapEntry' || !isSet(options!, key)) return []
    const name = key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    if (typeof value === 'string') return [{ name, value: { kind: 'string', text: value } }]
    if (typeof value === 'boolean') return [{ name, value: { kind: 'word', text: String(value) } }]
    return key === 'optimizeFor'
      ? [{ name, value: { kind: 'word', text: ['', 'SPEED', 'CODE_SIZE', 'LITE_RUNTIME'][value as number]! } }]
      : []
  })
}

function isSet(options: object, key: string): boolean {
  return Object.hasOwn(options, key)
}

/** Base64. */
export function toDescriptor(file: ProtoFile, types: Types, name: string): string {
  const scope = scopeOf(file)
  const isProto3 = file.syntax === 'proto3'
  const proto = create(FileDescriptorProtoSchema, {
    name,
    ...(file.package === null ? {} : { package: file.package }),
    ...(isProto3 ? { syntax: 'proto3' } : {}),
    dependency: [...file.imports, ...file.publicImports],
    publicDependency: file.publicImports.map((_, index) => file.imports.length + index),
    messageType: file.messages.map(each => fromMessage(each, types, [...scope, each.name], isProto3)),
    enumType: file.enums.map(fromEnum),
    extension: file.extends.flatMap(each =>
      each.fields.map(field => ({ ...fromField(field, types, scope), extendee: resolved(each.name, types, scope) })),
    ),
    service: file.services.map(service => ({
      name: service.name,
      method: service.rpcs.map(rpc => ({
        name: rpc.name,
        inputType: resolved(rpc.request, types, scope),
        outputType: resolved(rpc.response, types, scope),
        clientStreaming: rpc.streamsRequest,
        serverStreaming: rpc.streamsResponse,
        ...given('options', plainOptions(rpc.options)),
      })),
      ...given('options', plainOptions(service.options)),
    })),
    ...given('options', plainOptions(file.options)),
  } as MessageInitShape<typeof FileDescriptorProtoSchema>)
  return Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64')
}

function fromMessage(message: Message, types: Types, scope: Scope, isProto3: boolean): DescriptorProto {
  const nested: DescriptorProto[] = []
  const declared = message.oneOfs.map(({ name }) => ({ name }))
  const field = (own: Field, oneOf: number | null): FieldDescriptorProto => {
    const map = mapOf(own.type)
    const init: Record<string, unknown> = fromField(own, types, scope)
    if (map !== null) {
      const name = `${own.name.replace(/(?:^|_)([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())}Entry`
      const entry = map.map((type, index) =>
        create(
          FieldDescriptorProtoSchema,
          fromField({ label: 'optional', type, name: index === 0 ? 'key' : 'value', tag: index + 1, options: [] }, types, scope),
        ),
      )
      nested.push(create(DescriptorProtoSchema, { name, field: entry, options: { mapEntry: true } }))
      Object.assign(init, { label: FieldLabel.REPEATED, type: FieldType.MESSAGE, typeName: `.${[...scope, name].join('.')}` })
    }
    if (oneOf !== null) init['oneofIndex'] = oneOf
    else if (isProto3 && own.label === 'optional') {
      // A oneof of its own, as compilers make it.
      declared.push({ name: `_${own.name}` })
      Object.assign(init, { oneofIndex: declared.length - 1, proto3Optional: true })
    }
    return create(FieldDescriptorProtoSchema, init)
  }
  const fields = [
    ...message.oneOfs.flatMap((each, index) => each.fields.map(own => field(own, index))),
    ...message.fields.map(own => field(own, null)),
  ]
  return create(DescriptorProtoSchema, {
    name: message.name,
    field: fields,
    nestedType: [...message.messages.map(each => fromMessage(each, types, [...scope, each.name], isProto3)), ...nested],
    enumType: message.enums.map(fromEnum),
    oneofDecl: declared,
    extensionRange: message.extensions.flatMap(each => each.ranges.flatMap(range => numbers(range, 1))),
    reservedRange: message.reserved.flat().flatMap(range => numbers(range, 1)),
    reservedName: message.reserved.flat().filter(each => typeof each === 'string'),
    ...given('options', plainOptions(message.options)),
  } as MessageInitShape<typeof DescriptorProtoSchema>)
}

function fromField(
  { label, type, name, tag, options }: Field,
  types: Types,
  scope: Scope,
): MessageInitShape<typeof FieldDescriptorProtoSchema> & Record<string, unknown> {
  const scalar = byScalar.get(type)
  const found = scalar === undefined ? types.find(type, scope) : null
  const value = (key: string) => {
    const option = options.find(each => each.name === key)?.value
    return option?.kind === 'string' || option?.kind === 'word' ? option.text : undefined
  }
  const [fallback, jsonName] = [value('default'), value('json_name')]
  return {
    name,
    number: tag,
    label: labels[label ?? 'optional'],
    type: scalar ?? (found?.kind === 'enum' ? FieldType.ENUM : FieldType.MESSAGE),
    ...(scalar === undefined ? { typeName: resolved(type, types, scope) } : {}),
    ...(fallback === undefined ? {} : { defaultValue: fallback }),
    jsonName: jsonName ?? jsonNameOf(name),
    ...given('options', plainOptions(options.filter(each => each.name !== 'default' && each.name !== 'json_name'))),
  }
}

function fromEnum({ name, constants, options, reserved }: Enum): EnumDescriptorProto {
  return create(EnumDescriptorProtoSchema, {
    name,
    value: constants.map(each => ({ name: each.name, number: each.tag, ...given('options', plainOptions(each.options)) })),
    reservedRange: reserved.flat().flatMap(range => numbers(range, 0)),
    reservedName: reserved.flat().filter(each => typeof each === 'string'),
    ...given('options', plainOptions(options)),
  } as MessageInitShape<typeof EnumDescriptorProtoSchema>)
}

function numbers(range: Reserved, beyond: number): { start: number; end: number }[] {
  if (typeof range === 'string') return []
  const [start, last] = typeof range === 'number' ? [range, range] : range
  return [{ start, end: last + beyond }]
}

const booleans = new Set(
  'packed lazy deprecated unverified_lazy allow_alias message_set_wire_format no_standard_descriptor_accessor java_multiple_files java_string_check_utf8 cc_enable_arenas cc_generic_services java_generic_services py_generic_services'.split(
    ' ',
  ),
)
const strings = new Set(
  'java_package java_outer_classname go_package objc_class_prefix csharp_namespace swift_prefix php_class_prefix php_namespace php_metadata_namespace ruby_package'.split(
    ' ',
  ),
)

/** Options that every compiler knows. */
function plainOptions(options: readonly Option[]): Record<string, unknown> | null {
  const plain: Record<string, unknown> = {}
  for (const { name, value } of options) {
    const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (booleans.has(name) && value.kind === 'word') plain[key] = value.text === 'true'
    else if (strings.has(name) && value.kind === 'string') plain[key] = value.text
    else if (name === 'optimize_for' && value.kind === 'word') plain[key] = ['', 'SPEED', 'CODE_SIZE', 'LITE_RUNTIME'].indexOf(value.text)
  }
  return Object.keys(plain).length === 0 ? null : plain
}

function given(name: string, value: unknown): Record<string, unknown> {
  return value === null ? {} : { [name]: value }
}

function resolved(type: string, types: Types, scope: Scope): string {
  return `.${types.find(type, scope)?.fullName ?? type}`
}

function jsonNameOf(name: string): string {
  return name.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
