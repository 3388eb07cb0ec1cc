import type { paths } from './generated/api.js'
import type { components } from './generated/messages.js'

export type Method = 'get' | 'post' | 'put' | 'delete'

type Api = {
  [M in Method]: {
    [P in keyof paths as paths[P] extends { [K in M]: { responses: unknown } } ? P : never]: paths[P][M]
  }
}

/** The routes that have a method. Those that the editor strikes out are aliases: new code does without them. */
export type Route<M extends Method> = keyof Api[M] & string

/** A picture to be sent: what a browser or Node has in memory, or where a mini-program's camera put it. */
export type Picture = Blob | { readonly filePath: string }

/** The fields of a form that are files. */
type FileField = 'photo' | 'avatar' | 'image'
type WithPictures<Form> = { [Field in keyof Form]: Field extends FileField ? Picture : Form[Field] }

/** What a route reads in its body, be it JSON or a form. */
export type Body<M extends Method, P extends Route<M>> = Api[M][P] extends { requestBody?: infer R }
  ? [NonNullable<R>] extends [never]
    ? unknown
    : NonNullable<R> extends { content: infer C }
      ? C extends { 'multipart/form-data': infer Form }
        ? WithPictures<Form>
        : C[keyof C]
      : unknown
  : unknown

/** What a route reads in its query. */
export type Query<M extends Method, P extends Route<M>> = Api[M][P] extends { parameters: { query?: infer Q } }
  ? [NonNullable<Q>] extends [never]
    ? unknown
    : NonNullable<Q>
  : unknown

/** What stands in the braces of a route's path. */
export type Params<M extends Method, P extends Route<M>> = Api[M][P] extends { parameters: { path: infer Q } }
  ? Q
  : unknown

/** All that a route is given: what stands in its path, its query, and the fields of its body. */
export type Input<M extends Method, P extends Route<M>> = Params<M, P> & Query<M, P> & Body<M, P>

/** What a success carries: what is in the envelope, or all of it where there is none. */
export type Data<M extends Method, P extends Route<M>> = Api[M][P] extends { responses: { 200: { content: infer C } } }
  ? C extends { 'application/json': infer J }
    ? J extends { code: number; msg: string; data: infer D }
      ? D
      : J
    : string
  : unknown

export interface CallOptions {
  /** An Idempotency-Key of one's own, so that the same thing sent again later acts once. */
  readonly key?: string
  /** How long an answer is waited for, to its end: 15 s, for a picture a minute, for a file (`format: 'csv'`) ten. */
  readonly timeoutMs?: number
}

/** A route as a function. What it is given may be left out where nothing of it is needed. */
export type Call<M extends Method, P extends Route<M>> =
  Record<string, never> extends Input<M, P>
    ? (input?: Input<M, P>, options?: CallOptions) => Promise<Data<M, P>>
    : (input: Input<M, P>, options?: CallOptions) => Promise<Data<M, P>>

type Shapes = components['schemas']
type Framed<Way extends string> = {
  [N in keyof Shapes]: N extends `${Way}:${infer Name}`
    ? { type: Name; data: Shapes[N]; timestamp: string; id: number }
    : never
}[keyof Shapes]

/** What /ws tells by itself. */
export type LivePush = Framed<'push'>
/** Everything that comes over /ws. */
export type Frame = LivePush | Framed<'reply'>
/** Everything that may be sent to it. */
export type SocketMessage = Shapes['ClientMessage']
