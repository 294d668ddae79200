/** Errors of TLS that pass only when somebody changes a certificate or a configuration. */

const codes = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(?:GET|VERIFY)_|ERR_TLS_CERT_|HOSTNAME_MISMATCH)/

/** `mysql2` writes its own code over that of TLS. */
const messages = /certificate|altnames/i

/** Whether the server's certificate is not accepted: asking again changes nothing. */
export function isUntrusted(error: unknown): boolean {
  const { code = '', message = '', cause } = error as { code?: string; message?: string; cause?: unknown }
  if (code === 'HANDSHAKE_SSL_ERROR') return messages.test(message)
  return codes.test(String(code)) || (cause instanceof Error && isUntrusted(cause))
}
