/** The kinds of difference between two JSON Schemas: which of them are compatible, and how the others are told. */

const compatibleIfStrict = `ID_CHANGED DESCRIPTION_CHANGED TITLE_CHANGED DEFAULT_CHANGED SCHEMA_REMOVED TYPE_EXTENDED
  MAX_LENGTH_INCREASED MAX_LENGTH_REMOVED MIN_LENGTH_DECREASED MIN_LENGTH_REMOVED PATTERN_REMOVED
  MAXIMUM_INCREASED MAXIMUM_REMOVED MINIMUM_DECREASED MINIMUM_REMOVED EXCLUSIVE_MAXIMUM_INCREASED EXCLUSIVE_MAXIMUM_REMOVED
  EXCLUSIVE_MINIMUM_DECREASED EXCLUSIVE_MINIMUM_REMOVED MULTIPLE_OF_REDUCED MULTIPLE_OF_REMOVED
  REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED REQUIRED_ATTRIBUTE_REMOVED DEPENDENCY_ARRAY_NARROWED DEPENDENCY_ARRAY_REMOVED DEPENDENCY_SCHEMA_REMOVED
  MAX_PROPERTIES_INCREASED MAX_PROPERTIES_REMOVED MIN_PROPERTIES_DECREASED MIN_PROPERTIES_REMOVED
  ADDITIONAL_PROPERTIES_ADDED ADDITIONAL_PROPERTIES_EXTENDED UNEVALUATED_PROPERTIES_ADDED UNEVALUATED_PROPERTIES_EXTENDED
  PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL
  OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL
  PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
  MAX_ITEMS_INCREASED MAX_ITEMS_REMOVED MIN_ITEMS_DECREASED MIN_ITEMS_REMOVED
  MAX_CONTAINS_INCREASED MAX_CONTAINS_REMOVED MIN_CONTAINS_DECREASED MIN_CONTAINS_REMOVED UNIQUE_ITEMS_REMOVED
  ADDITIONAL_ITEMS_ADDED ADDITIONAL_ITEMS_EXTENDED UNEVALUATED_ITEMS_ADDED UNEVALUATED_ITEMS_EXTENDED
  ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL ITEM_ADDED_TO_CLOSED_CONTENT_MODEL ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL
  ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
  ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL ENUM_ARRAY_EXTENDED COMBINED_TYPE_EXTENDED PRODUCT_TYPE_NARROWED SUM_TYPE_EXTENDED
  NOT_TYPE_NARROWED`
const onlyIfLenient = `ADDITIONAL_PROPERTIES_NARROWED ADDITIONAL_PROPERTIES_REMOVED UNEVALUATED_PROPERTIES_NARROWED UNEVALUATED_PROPERTIES_REMOVED
  REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL
  PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL
  PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL`

const words = (text: string) => text.split(/\s+/)

export const compatible: Readonly<Record<'STRICT' | 'LENIENT', ReadonlySet<string>>> = {
  STRICT: new Set(words(compatibleIfStrict)),
  LENIENT: new Set([...words(compatibleIfStrict), ...words(onlyIfLenient)]),
}

/** `%1` is the schema that reads, `%2` the one that wrote, `%p` the path. */
const texts: readonly (readonly [kinds: RegExp, text: string])[] = [
  [
    /^(?:MAXIMUM|MINIMUM|EXCLUSIVE_(?:MAXIMUM|MINIMUM)|MULTIPLE_OF|M(?:AX|IN)_(?:LENGTH|PROPERTIES|ITEMS|CONTAINS)|PATTERN|REQUIRED_ATTRIBUTE|DEPENDENCY_(?:ARRAY|SCHEMA)|UNIQUE_ITEMS)_ADDED$|^(?:ADDITIONAL|UNEVALUATED)_(?:ITEMS|PROPERTIES)_REMOVED$/,
    "The keyword at path '%p' in the %1 schema is not present in the %2 schema",
  ],
  [/_INCREASED$|^MULTIPLE_OF_EXPANDED$/, "The value at path '%p' in the %1 schema is more than its value in the %2 schema"],
  [/_DECREASED$/, "The value at path '%p' in the %1 schema is less than its value in the %2 schema"],
  [/^(?:PATTERN|MULTIPLE_OF|DEPENDENCY_ARRAY)_CHANGED$/, "The value at path '%p' is different between the %1 and %2 schema"],
  [
    /^(?:TYPE_CHANGED|TYPE_NARROWED|COMBINED_TYPE_CHANGED|COMBINED_TYPE_SUBSCHEMAS_CHANGED|ENUM_ARRAY_CHANGED)$/,
    "A type at path '%p' is different between the %1 schema and the %2 schema",
  ],
  [
    /^(?:(?:ADDITIONAL|UNEVALUATED)_(?:ITEMS|PROPERTIES)|ENUM_ARRAY|SUM_TYPE)_NARROWED$/,
    "An array or combined type at path '%p' has fewer elements in the %1 schema than the %2 schema",
  ],
  [
    /^(?:DEPENDENCY_ARRAY|PRODUCT_TYPE|SUM_TYPE|NOT_TYPE)_EXTENDED$/,
    "An array or combined type at path '%p' has more elements in the %1 schema than the %2 schema",
  ],
  [
    /_ADDED_TO_OPEN_CONTENT_MODEL$/,
    "The %1 schema has an open content model and has a property or item at path '%p' which is missing in the %2 schema",
  ],
  [
    /^REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL$/,
    "The %1 schema has an unopen content model and has a required property at path '%p' which is missing in the %2 schema",
  ],
  [
    /_REMOVED_FROM_CLOSED_CONTENT_MODEL$/,
    "The %1 has a closed content model and is missing a property or item present at path '%p' in the %2 schema",
  ],
  [
    /_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL$/,
    "A property or item is missing in the %1 schema but present at path '%p' in the %2 schema and is not covered by its partially open content model",
  ],
  [
    /_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL$/,
    "The %1 schema has a property or item at path '%p' which is missing in the %2 schema and is not covered by its partially open content model",
  ],
]

export interface Difference {
  readonly kind: string
  /** Names within the schema, joined by slashes. */
  readonly path: string
}

export function describe({ kind, path }: Difference, reader: string, writer: string): string {
  const text = texts.find(([kinds]) => kinds.test(kind))?.[1] ?? ''
  const told = text.replace(/%[12p]/g, found => (found === '%1' ? reader : found === '%2' ? writer : `#/${path}`))
  return `{errorType:"${kind}", description:"${told}'}`
}
