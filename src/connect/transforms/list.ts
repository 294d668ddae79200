/** The only place that names all transforms and predicates. */
import { byLogicalTableRouter } from './by-logical-table-router.ts'
import { cast } from './cast.ts'
import { celFilter, celMap, celMatches } from './cel.ts'
import { dropHeaders } from './drop-headers.ts'
import { eventRouter } from './event-router.ts'
import { extractField } from './extract-field.ts'
import { extractNewRecordState } from './extract-new-record-state.ts'
import { filter } from './filter.ts'
import { flatten } from './flatten.ts'
import { headerFrom } from './header-from.ts'
import { hoistField } from './hoist-field.ts'
import { insertField } from './insert-field.ts'
import { insertHeader } from './insert-header.ts'
import { javaScript } from './javascript.ts'
import { maskField } from './mask-field.ts'
import { kafkaPredicates } from './predicates.ts'
import { regexRouter } from './regex-router.ts'
import { replaceField } from './replace-field.ts'
import { setSchemaMetadata } from './set-schema-metadata.ts'
import { timestampConverter } from './timestamp-converter.ts'
import { timestampRouter } from './timestamp-router.ts'
import type { PredicateDefinition, TransformDefinition } from './transform.ts'
import { valueToKey } from './value-to-key.ts'

export const transforms: readonly TransformDefinition[] = [
  byLogicalTableRouter,
  cast,
  celFilter,
  celMap,
  dropHeaders,
  eventRouter,
  extractField,
  extractNewRecordState,
  filter,
  flatten,
  headerFrom,
  hoistField,
  insertField,
  insertHeader,
  javaScript,
  maskField,
  regexRouter,
  replaceField,
  setSchemaMetadata,
  timestampConverter,
  timestampRouter,
  valueToKey,
]

export const predicates: readonly PredicateDefinition[] = [...kafkaPredicates, celMatches]
