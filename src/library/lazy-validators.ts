/** From its import until `restore` is called, validators of JSON Schema 2020-12 are compiled when they are first used. */
import { Ajv2020 } from 'ajv/dist/2020.js'

interface Validator {
  (data: unknown, context?: unknown): unknown
  errors?: unknown
}

const prototype = Ajv2020.prototype as unknown as { compile?: (schema: object, meta?: boolean) => Validator }
const compile = prototype.compile!

prototype.compile = function (schema, meta) {
  let compiled: Validator | null = null
  const validator: Validator = (data, context) => {
    compiled ??= compile.call(this, schema, meta)
    const isValid = compiled(data, context)
    validator.errors = compiled.errors
    return isValid
  }
  return validator
}

export function restore(): void {
  // It was inherited before.
  delete prototype.compile
}
