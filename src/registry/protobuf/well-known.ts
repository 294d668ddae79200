/** Files that may be imported without a reference, as in Confluent's registry, with the types that they define. An enum's name ends with `#`. */

const google = 'google/protobuf/'
const common = 'google/type/'

const files: Readonly<Record<string, string>> = {
  [`${google}any.proto`]: 'Any',
  [`${google}api.proto`]: 'Api Method Mixin',
  [`${google}descriptor.proto`]:
    'FileDescriptorSet FileDescriptorProto DescriptorProto DescriptorProto.ExtensionRange DescriptorProto.ReservedRange ExtensionRangeOptions FieldDescriptorProto FieldDescriptorProto.Type# FieldDescriptorProto.Label# OneofDescriptorProto EnumDescriptorProto EnumDescriptorProto.EnumReservedRange EnumValueDescriptorProto ServiceDescriptorProto MethodDescriptorProto FileOptions FileOptions.OptimizeMode# MessageOptions FieldOptions FieldOptions.CType# FieldOptions.JSType# OneofOptions EnumOptions EnumValueOptions ServiceOptions MethodOptions MethodOptions.IdempotencyLevel# UninterpretedOption UninterpretedOption.NamePart SourceCodeInfo SourceCodeInfo.Location GeneratedCodeInfo GeneratedCodeInfo.Annotation',
  [`${google}duration.proto`]: 'Duration',
  [`${google}empty.proto`]: 'Empty',
  [`${google}field_mask.proto`]: 'FieldMask',
  [`${google}source_context.proto`]: 'SourceContext',
  [`${google}struct.proto`]: 'Struct Value ListValue NullValue#',
  [`${google}timestamp.proto`]: 'Timestamp',
  [`${google}type.proto`]: 'Type Field Field.Kind# Field.Cardinality# Enum EnumValue Option Syntax#',
  [`${google}wrappers.proto`]: 'DoubleValue FloatValue Int64Value UInt64Value Int32Value UInt32Value BoolValue StringValue BytesValue',
  [`${common}calendar_period.proto`]: 'CalendarPeriod#',
  [`${common}color.proto`]: 'Color',
  [`${common}date.proto`]: 'Date',
  [`${common}datetime.proto`]: 'DateTime TimeZone',
  [`${common}dayofweek.proto`]: 'DayOfWeek#',
  [`${common}decimal.proto`]: 'Decimal',
  [`${common}expr.proto`]: 'Expr',
  [`${common}fraction.proto`]: 'Fraction',
  [`${common}interval.proto`]: 'Interval',
  [`${common}latlng.proto`]: 'LatLng',
  [`${common}money.proto`]: 'Money',
  [`${common}month.proto`]: 'Month#',
  [`${common}phone_number.proto`]: 'PhoneNumber PhoneNumber.ShortCode',
  [`${common}postal_address.proto`]: 'PostalAddress',
  [`${common}quaternion.proto`]: 'Quaternion',
  [`${common}timeofday.proto`]: 'TimeOfDay',
  'confluent/meta.proto': 'Meta',
  'confluent/type/decimal.proto': 'Decimal',
}

export interface WellKnown {
  readonly package: string
  readonly messages: readonly string[]
  readonly enums: readonly string[]
}

export function wellKnown(path: string): WellKnown | null {
  if (!Object.hasOwn(files, path)) return null
  const names = files[path]!.split(' ')
  return {
    package: path.slice(0, path.lastIndexOf('/')).replaceAll('/', '.'),
    messages: names.filter(name => !name.endsWith('#')),
    enums: names.filter(name => name.endsWith('#')).map(name => name.slice(0, -1)),
  }
}
