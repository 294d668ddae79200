/** Where our answers differ on purpose. */
export const allowed: readonly { readonly call: RegExp; readonly difference: RegExp; readonly why: string }[] = []
