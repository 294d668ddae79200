/** Keys of MongoDB's own sink that are not there. */
import type { Refusal } from '../../connector.ts'

export const refuses: readonly Refusal[] = [
  { key: /^change\.data\.capture\.handler$/, why: 'let a transform take the row out of the change, or write it with CelMap' },
  {
    key: /^(?:field\.(?:renamer|value\.transformer)\..+|field\.value\.transformer)$/,
    why: 'let the transform ReplaceField or CelMap do it',
    unless: ['', '[]'],
  },
  {
    key: /^post\.processor\.chain$/,
    why: 'ids are made by document.id.strategy; let transforms do the rest',
    unless: ['', 'com.mongodb.kafka.connect.sink.processor.DocumentIdAdder'],
  },
  { key: /^(?:key|value)\.projection\.(?:type|list)$/, why: 'let the transform ReplaceField keep or drop fields', unless: ['', 'none'] },
  {
    key: /^namespace\.mapper$/,
    why: 'collection is one for all topics, or RegexRouter and a connector for each',
    unless: ['', 'com.mongodb.kafka.connect.sink.namespace.mapping.DefaultNamespaceMapper'],
  },
  { key: /^timeseries\..+$/, why: 'make the collection before; documents are written as they are' },
  {
    key: /^delete\.writemodel\.strategy$/,
    why: 'documents are deleted by their id',
    unless: ['', 'com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneDefaultStrategy'],
  },
  { key: /^mongo\.errors\..+$/, why: 'give it as errors.tolerance and errors.log.enable' },
  { key: /^rate\.limiting\..+$/, why: 'writes wait for the server only', unless: ['', '0'] },
  { key: /^csfle\..+$/, why: 'fields are not encrypted here', unless: ['', 'false'] },
  { key: /^topic\.override\..+$/, why: 'make a connector for each topic' },
]
