/** Keys of Iceberg's own sink that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^iceberg\.table\..+\.route-regex$/, why: "iceberg.tables is the template of the table's name" },
  {
    key: /^iceberg\.tables\.(?:route-field|dynamic-enabled)$/,
    why: "iceberg.tables is the template of the table's name",
    unless: ['', 'false'],
  },
  { key: /^iceberg\.tables\.(?:upsert-mode-enabled|cdc-field)$/, why: 'rows are appended', unless: ['', 'false'] },
  {
    key: /^iceberg\.tables\.(?:schema-case-insensitive|schema-force-optional)$/,
    why: 'columns are named and typed as the records have them',
    unless: ['', 'false'],
  },
  {
    key: /^(?:iceberg\.tables\.(?:auto-create-props|write-props)\..+|iceberg\.table\.write-props\..+)$/,
    why: 'tables have the properties that the catalogue gives them',
  },
  { key: /^iceberg\.table\..+$/, why: 'iceberg.tables.default-partition-by and the other keys hold for all tables' },
  { key: /^iceberg\.catalog$/, why: 'there is one catalogue', unless: ['', 'iceberg'] },
  {
    key: /^iceberg\.(?:hadoop\..+|hadoop-conf-dir)$/,
    why: 'files are in S3 or what speaks like it; give iceberg.catalog.s3.endpoint and its keys',
  },
]
