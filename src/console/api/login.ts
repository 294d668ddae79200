/** Log in and out, and what this person may do. */
import { Type } from 'typebox'
import { route } from '../route.ts'

const login = route({
  method: 'GET',
  path: '/login',
  response: Type.Object({
    needed: Type.Boolean(),
    /** Whether this browser has logged in. */
    done: Type.Boolean(),
    /** With user name and password of a Kafka user. */
    password: Type.Boolean(),
    /** With a provider, which `/api/oidc/begin` leads to. */
    provider: Type.Boolean(),
  }),
  async visit({ request, door }) {
    const { needsLogin, ways } = door.sessions
    return { needed: needsLogin, done: door.isIn(request), password: ways.passwordMechanisms.length > 0, provider: door.oidc !== null }
  },
})

const logIn = route({
  method: 'POST',
  path: '/login',
  changes: [],
  body: Type.Object({
    username: Type.String({ minLength: 1, maxLength: 1_000 }),
    password: Type.String({ minLength: 1, maxLength: 10_000 }),
  }),
  response: Type.Object({ principal: Type.String() }),
  async visit({ request, reply, door, body: { username, password } }) {
    const { principal } = await door.logIn(
      request,
      reply,
      { kind: 'password', username, password },
      { refreshToken: null, expiresMs: null },
    )
    return { principal }
  },
})

const logOut = route({
  method: 'POST',
  path: '/logout',
  changes: [],
  body: Type.Object({}),
  response: Type.Object({}),
  async visit({ request, reply, door }) {
    door.logOut(request, reply)
    return {}
  },
})

export const loginRoutes = [login, logIn, logOut] as const
