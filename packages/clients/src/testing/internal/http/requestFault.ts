/**
 * What is wrong with a request.
 */

/**
 * The client sent what is not a request, or too much.
 *
 * @since 0.2.0
 * @category errors
 */
export class RequestFault {
  readonly _tag = "RequestFault"
  /** The status that it is answered by: 400, 413 or 431. */
  readonly status: number
  readonly message: string

  constructor(status: number, message: string) {
    this.status = status
    this.message = message
  }
}
