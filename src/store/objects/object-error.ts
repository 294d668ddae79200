/** Why a request to the object store failed. */

export class ObjectError extends Error {
  /** S3's, such as `NoSuchKey` or `AccessDenied`; or `Unreachable`, `Timeout`, `Closed`, `CredentialsUnavailable`, `BadAnswer`. */
  readonly code: string
  readonly status: number | null
  /** The same request may succeed later. */
  readonly retriable: boolean

  constructor(message: string, code: string, status: number | null, retriable: boolean) {
    super(message)
    this.name = 'ObjectError'
    this.code = code
    this.status = status
    this.retriable = retriable
  }
}
