/** Errors with the codes and texts of Confluent's registry, which clients know. */
import { HttpError } from '../http.ts'

/** Of a message that quotes a schema. */
const mostText = 4_096

export const errors = {
  subjectNotFound: (subject: string) => new HttpError(404, 40_401, `Subject '${subject}' not found.`),
  versionNotFound: (version: number) => new HttpError(404, 40_402, `Version ${version} not found.`),
  schemaNotFound: (id: number | string | null) => new HttpError(404, 40_403, id === null ? 'Schema not found' : `Schema ${id} not found`),
  subjectSoftDeleted: (subject: string) =>
    new HttpError(404, 40_404, `Subject '${subject}' was soft deleted.Set permanent=true to delete permanently`),
  subjectNotSoftDeleted: (subject: string) =>
    new HttpError(404, 40_405, `Subject '${subject}' was not deleted first before being permanently deleted`),
  versionSoftDeleted: (subject: string, version: number) =>
    new HttpError(404, 40_406, `Subject '${subject}' Version ${version} was soft deleted.Set permanent=true to delete permanently`),
  versionNotSoftDeleted: (subject: string, version: number) =>
    new HttpError(404, 40_407, `Subject '${subject}' Version ${version} was not deleted first before being permanently deleted`),
  noSubjectCompatibility: (subject: string) =>
    new HttpError(404, 40_408, `Subject '${subject}' does not have subject-level compatibility configured`),
  noSubjectMode: (subject: string) => new HttpError(404, 40_409, `Subject '${subject}' does not have subject-level mode configured`),
  incompatible: (subject: string, reasons: readonly string[]) =>
    new HttpError(
      409,
      409,
      `Schema being registered is incompatible with an earlier schema for subject "${subject}", details: [${reasons.join(', ')}]`,
    ),
  invalidSchema: (message: string) => new HttpError(422, 42_201, message.length > mostText ? `${message.slice(0, mostText)}…` : message),
  invalidVersion: (version: string) =>
    new HttpError(
      422,
      42_202,
      `The specified version '${version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`,
    ),
  invalidCompatibility: () =>
    new HttpError(
      422,
      42_203,
      'Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive',
    ),
  invalidMode: (message = 'Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.') => new HttpError(422, 42_204, message),
  notPermitted: (message: string) => new HttpError(422, 42_205, message),
  referenceExists: (subject: string, version: number) =>
    new HttpError(
      422,
      42_206,
      `One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=${subject},version=${version}}.`,
    ),
  invalidSubject: (subject: string) => new HttpError(422, 42_208, `The specified subject '${subject}' is not a valid.`),
  tooLarge: () => new HttpError(422, 42_209, 'Register operation failed because schema is too large'),
  contextNotEmpty: (context: string) => new HttpError(422, 42_211, `The specified context '${context}' is not empty.`),
  badContext: (message: string) => new HttpError(400, 400, message),
  noSuchPath: () => new HttpError(404, 404, 'HTTP 404 Not Found'),
  busy: () => new HttpError(500, 50_002, 'Too many schemas are waiting to be compared; try again'),
  store: (cause: Error) => new HttpError(500, 50_001, `The Kafka cluster did not store it: ${cause.message}`, { cause }),
  forwarding: (message: string, cause?: unknown) => new HttpError(500, 50_003, message, { cause }),
  unknownLeader: () => new HttpError(500, 50_004, 'Leader not known.'),
  denied: (principal: string, what: string) => new HttpError(403, 40_301, `${principal} is not allowed to ${what}`),
} as const
